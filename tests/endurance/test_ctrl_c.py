"""Ctrl-C at any moment of any command leaves nothing behind but what was done before it."""

from __future__ import annotations

import fcntl
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from helpers.full_or_short import chances, pause, record, scaled
from helpers.processes import running
from helpers.waiting import wait_for
from memocast.formats.memo import ID_PATTERN

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard

TIMES = scaled(40, 1)

COMMANDS = {
    "add": ["add", "long.wav"],
    "add -": ["add", "-"],
    "list": ["list"],
    "show": ["show", "latest"],
    "edit": ["edit", "latest", "--title", "Edited"],
    "remove": ["remove", "latest", "--yes"],
    "export": ["export", "latest", "-o", "out", "--tags"],
    "share": ["share", "latest", "--no-seed"],
    "fetch": ["fetch", "LINK"],
    "status": ["status"],
    "doctor": ["doctor"],
    "repair": ["doctor", "--repair"],
    "seed --stop": ["seed", "--stop"],
    "devices": ["devices"],
    "play": ["play", "latest"],
    "record": ["record", "Said"],
}


@pytest.fixture(scope="session")
def long_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of noise: 6 MB."""
    path = tmp_path_factory.mktemp("noise") / "long.wav"
    noise = np.random.default_rng(5).normal(0, 3000, 3_000_000).astype(np.int16)
    soundfile.write(path, noise, 48_000)
    return path


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(COMMANDS)[:: scaled(1, 2)])
def test_ctrl_c_leaves_no_process_lock_temporary_file_or_half_written_row(
    memocast: Callable[..., Memocast],
    anna: Memocast,
    sound_card: SoundCard,
    opus: Path,
    long_wav: Path,
    name: str,
) -> None:
    random = chances()
    ben = memocast("ben", **sound_card.environment)
    link = ""
    if name == "fetch":
        link = anna.run("share", anna.add(long_wav), "--direct").out.strip()
    (ben.home / "out").mkdir()
    (ben.home / "long.wav").symlink_to(long_wav)
    arguments = [link if word == "LINK" else word for word in COMMANDS[name]]
    codes = []
    longest = 0.5
    for number in range(TIMES):
        ben.add(opus, title=f"Before {number}")
        with long_wav.open("rb") as source:
            began = time.monotonic()
            process = ben.start(*arguments, stdin=source)
            with running(process):
                await_memocast(process)
                pause(random.uniform(0, longest))
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=30)
        longest = max(longest, min(time.monotonic() - began, 4.0))
        codes.append(process.returncode)
        # It may be done already. The signal itself ends it while it is being loaded.
        finished = (0, 1) if name == "doctor" else (0,)  # 1: there is no microphone here
        assert process.returncode in (*finished, 130, -signal.SIGINT), (out, err)
        # Python itself drops an interrupt that comes while it lets go of an import's lock.
        assert "Traceback" not in err or "<frozen importlib._bootstrap>" in err, err
        if process.returncode == 130:
            assert "interrupted" in err or "nothing was kept" in err
        assert_nothing_is_left(ben, out)
    assert TIMES == 1 or any(codes), "it never came in time"
    record(
        f"Ctrl-C in '{name}'",
        times=TIMES,
        interrupted=sum(code != 0 for code in codes),
    )


def assert_nothing_is_left(user: Memocast, out: str) -> None:
    wait_for("every process to end", lambda: not processes(user))
    library = user.library
    names = {path.name for path in (library / "incoming").iterdir()}
    downloads = {name for name in names if name.startswith("download-")}
    assert names - downloads <= {".gate"}, "an entry in 'incoming' was left"
    for path in [*library.rglob("*lock"), *library.rglob(".gate")]:
        with path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not list(library.rglob("*.part*")), "a temporary file was left"
    assert {path.name for path in user.home.iterdir()} <= {"library", "out", "long.wav", ".config"}
    for exported in (user.home / "out").iterdir():
        assert soundfile.info(exported).frames > 48_000, "half a file was exported"
        exported.unlink()
    with closing(sqlite3.connect(library / "library.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = {
            f"{id_}.{format_}" for id_, format_ in database.execute("SELECT id, format FROM memo")
        }
    assert rows == {path.name for path in (library / "memos").iterdir()}
    for line in out.splitlines():
        assert not re.fullmatch(ID_PATTERN, line) or any(name.startswith(line) for name in rows), (
            "told, but not there"
        )


def await_memocast(process: subprocess.Popen[str]) -> None:
    """Wait until Python's own handler of Ctrl-C has given way to ours, a tenth of a second long."""
    latest = time.monotonic() + 5  # the moment may be missed
    begun = False
    while process.poll() is None and time.monotonic() < latest:
        status = Path(f"/proc/{process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16) & 1 << signal.SIGINT - 1
        if begun and not caught:
            return
        begun = bool(caught)
        pause(0.001)


def processes(user: Memocast) -> list[str]:
    """The command lines of all that run on the user's library."""
    mark = f"MEMOCAST_LIBRARY={user.library}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return [line for line in found if line]
