"""What strangers made is read in a process with limits: who is at fault when that ends early."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers.hostile.lying_audio import silent_vorbis
from helpers.waiting import wait_for
from memocast import limited_process
from memocast.channels.pair_missing import MissingMemos
from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.formats.replica import EditStamp, ReplicaEntry
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

WORKER = """
import os, signal, sys, time
from memocast import limited_process

def answer(given, file):
    exec(given.decode())
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run code in a process with limits, of two seconds on a core."""
    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def run(code: str, patience: float = 20.0, seconds: int = 2) -> object:
        return limited_process.run("worker", code.encode(), seconds, patience=patience)

    return run


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "bytes(1 << 29)",
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.abort()",
        "raise ValueError",
        "os._exit(0)",
        "os.write(sys.stdout.fileno(), b'x' * (65 << 20))",
    ],
)
def test_what_it_does_by_itself_it_would_do_again(run: Callable[..., object], code: str) -> None:
    with pytest.raises(limited_process.Exceeded):
        run(code)


@pytest.mark.parametrize(
    ("code", "patience"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", 20.0),
        ("os.kill(os.getpid(), signal.SIGTERM)", 20.0),
        ("os.kill(os.getpid(), signal.SIGSTOP)", 2.0),
    ],
)
def test_what_others_do_to_it_says_nothing_about_what_it_reads(
    run: Callable[..., object], code: str, patience: float
) -> None:
    with pytest.raises(MemocastError, match="was stopped") as raised:
        run(code, patience)
    assert not isinstance(raised.value, Refused)


def test_what_a_library_prints_is_no_word_of_ours(run: Callable[..., object]) -> None:
    assert run("os.write(1, b'{\"answer\": 7}\\n'); os.system('echo {')") is None


def test_an_error_of_who_is_told_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "silence.ogg"
    path.write_bytes(silent_vorbis(2, 768_000))

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    asked = json.dumps({"path": os.fsencode(path).hex(), "limit": 3600}).encode()
    with pytest.raises(OSError, match="no space left"):
        limited_process.run("memocast.audio.examine_process", asked, 60, tell=full)


def test_an_add_whose_decoder_was_killed_says_so_and_can_be_run_again(
    anna: Memocast, tmp_path: Path
) -> None:
    path = tmp_path / "silence.ogg"
    path.write_bytes(silent_vorbis(2, 96_000))
    process = anna.start("add", str(path))

    def decoder() -> int | None:
        found = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "memocast.limited_process"],
            capture_output=True,
            text=True,
        )
        return int(found.stdout.split()[0]) if found.stdout else None

    os.kill(wait_for("a decoder", decoder), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "was stopped" in err
    assert "hint: run the command again" in err
    assert anna.run("add", str(path)).out


@pytest.mark.parametrize(
    ("error", "is_asked_for_again"),
    [
        (SwarmTimeout("nobody", hint=""), True),
        (MemocastError("was stopped", hint=""), True),
        (Refused("no audio", hint=""), False),
        (NotALink("no link", hint=""), False),
    ],
)
def test_a_device_asks_again_for_what_an_accident_kept_from_it(
    tmp_path: Path, error: MemocastError, is_asked_for_again: bool
) -> None:
    library = Library(tmp_path / "library")
    entry = ReplicaEntry(
        "aaaaaaaa", "One", EditStamp(1), "", EditStamp(1), link="magnet:?xt=urn:btih:" + "ab" * 20
    )
    MissingMemos(library.replicas, {entry.key: entry}).note(entry, error)
    asked_for = MissingMemos(library.replicas, {entry.key: entry}).in_turn()
    library.close()
    assert asked_for == ([entry] if is_asked_for_again else [])
