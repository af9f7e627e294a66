"""A decoder that was taken over: what it may send, and what it can reach."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from helpers.bounded_run import MOST_MEMORY
from helpers.hostile.lying_audio import code_books
from helpers.tones import opus
from memocast.audio import decoder
from memocast.audio.decoder import blocks
from memocast.audio.examine import confirm, examine
from memocast.errors import MemocastError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVIL = """
import json, os, struct, time
from memocast.processes import limited_process_child as child

def prepare(what):
    pass

def block(rate, channels, samples):
    child.send_block(struct.pack(">II", rate, channels), samples)

def answer(given, file):
    asked = json.loads(given)
    return eval(os.environ["EVIL"], globals(), {"asked": asked})
"""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let a decoder do what the code says, once it has read a file."""
    (tmp_path / "evil.py").write_text(EVIL)
    (tmp_path / "memo.opus").write_bytes(opus(440).content())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(decoder, "_MODULE", "evil")

    def does(code: str) -> Path:
        monkeypatch.setenv("EVIL", code)
        decoder.file_process().close()  # so that another begins with that
        return tmp_path / "memo.opus"

    yield does
    decoder.file_process().close()


@pytest.mark.parametrize(
    "code",
    [
        "block(0, 1, bytes(8))",
        "block(48_000, 0, bytes(8))",
        "block(4_000_000_000, 1, bytes(8))",
        "block(48_000, 256, bytes(1024))",
        "block(48_000, 2, bytes(12))",
        "block(48_000, 1, bytes(7))",
        "block(48_000, 1, b'')",
        "child.send_block(b'1234')",
        "[block(48_000, 1, bytes(8)), block(48_000, 2, bytes(8))]",
        "[block(48_000, 1, bytes(8)), block(44_100, 1, bytes(8))]",
        "block(48_000, 1, bytes(1 << 20))",
        "7",
        "{'refused': 'Refused'}",
        "{'refused': [1], 'message': {}, 'hint': 7}",
        "{'again': True}",
    ],
)
def test_blocks_that_no_decoder_makes_are_not_played(evil: Any, code: str) -> None:
    path = evil(f"{code} or {{}}")
    if code == "{'again': True}":
        assert list(blocks(path, "opus")) == []
        return
    with pytest.raises(Refused):
        list(blocks(path, "opus"))


@pytest.mark.parametrize(
    "code",
    [
        "{}",
        "None",
        "[]",
        "{'duration': -1, 'peaks': ''}",
        "{'duration': 10 ** 400, 'peaks': ''}",
        "{'duration': 1.5, 'peaks': ''}",
        "{'duration': 86_402_000, 'peaks': ''}",
        "{'duration': 1_000, 'peaks': '00' * 201}",
        "{'duration': 1_000, 'peaks': 7}",
        "{'duration': 1_000, 'peaks': 'zz'}",
        "child.say('x' * (65 << 20))",
    ],
)
def test_a_measure_that_cannot_be_is_not_believed(evil: Any, code: str) -> None:
    with pytest.raises(Refused, match="too much time or memory"):
        examine(evil(code))


def test_words_of_a_decoder_are_short_and_only_numbers_are_progress(evil: Any) -> None:
    path = evil("child.say('[red]') or child.say(2) or {'refused': 'X', 'message': 'm' * 10**6}")
    progress: list[float] = []
    with pytest.raises(Refused) as refused:
        examine(path, progress.append)
    assert progress == [2]
    assert len(refused.value.message) == 1_000


def test_only_yes_confirms(evil: Any) -> None:
    path = evil("{'lasts': 'yes', 'duration': 7_000, 'peaks': '07'}")
    assert confirm(path, 1_000, b"\x01").duration == 7_000, "it was decoded instead"


def test_an_error_of_the_disk_is_told_as_such(evil: Any) -> None:
    with pytest.raises(OSError, match="on fire") as failed:
        examine(evil("{'errno': 5, 'why': 'on fire'}"))
    assert (failed.value.errno, failed.value.filename) == (5, str(evil("")))
    with pytest.raises(OSError, match="None") as failed:
        examine(evil("{'errno': 'x' * 1000}"))
    assert failed.value.errno == 5


def test_one_process_decodes_all_files_and_goes_on_after_one_that_cannot_be(
    tmp_path: Path,
) -> None:
    good, bomb = tmp_path / "good.opus", tmp_path / "bomb.ogg"
    good.write_bytes(opus(440).content())
    bomb.write_bytes(code_books())
    process = decoder.file_process()
    pids = set()
    for _ in range(3):
        with pytest.raises(Refused, match="too much time or memory"):
            examine(bomb)
        assert examine(good).duration == 1_000
        assert process._process is not None
        pids.add(process._process.pid)
    assert len(pids) == 1
    process._process.kill()
    process._process.wait()
    with pytest.raises(MemocastError, match="was stopped"):
        examine(good)
    assert examine(good).duration == 1_000


PLAY = """
import sys
from pathlib import Path
from memocast.audio.decoder import blocks
from memocast.errors import Refused

try:
    print(sum(len(block) for _, block in blocks(Path(sys.argv[1]), "ogg")))
except Refused:
    print("refused")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def test_playing_headers_that_take_gigabytes_takes_none_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "bomb.ogg"
    path.write_bytes(code_books())
    said = subprocess.check_output([sys.executable, "-c", PLAY, path], text=True).split()
    assert said[0] == "refused"
    assert int(said[1]) < MOST_MEMORY
