"""A decoder that was taken over: what it may send, and what it can reach."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from helpers.bounded_run import MOST_MEMORY
from helpers.hostile.lying_audio import code_books
from helpers.tones import Tone, opus
from memocast.audio import decoder
from memocast.audio.decoder import blocks, grow
from memocast.audio.examine import confirm, examine
from memocast.errors import MissingDecoder, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memocast.processes.limited_process import Task

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
        "block(48_000, asked['again'] + 1, bytes(8)) or {} if asked['again'] else {'again': True}",
    ],
)
def test_blocks_that_no_decoder_makes_are_not_played(evil: Any, code: str) -> None:
    path = evil(f"{code} or {{}}")
    if "else" in code:  # that is how a joined file is played
        ((rate, samples),) = blocks(path, "opus")
        assert (rate, samples.shape) == (48_000, (1, 2))
        path = evil(f"block(48_000, asked['again'] + 1, bytes(8)) or ({code})")
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
    words = "['[red]', [], True, -1, float('nan'), float('inf'), 10 ** 400, 2]"
    code = f"[child.say(word) for word in {words}]"
    path = evil(f"{code} and {{'refused': 'X', 'message': 'm' * 10**6}}")
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
    with pytest.raises(OSError) as failed:
        list(blocks(evil("{'errno': 5, 'why': 'on fire'}"), "opus"))
    assert (failed.value.errno, failed.value.filename) == (5, str(evil("")))
    with pytest.raises(OSError) as failed:
        examine(evil("{'errno': 'x' * 1000, 'why': ['y' * 1000]}"))
    assert (failed.value.errno, len(str(failed.value)) < 200) == (5, True)


@pytest.mark.parametrize("seconds", ["10 ** 400", "float('inf')", "2e14", "7", "-1", "'7'", "None"])
def test_how_long_a_download_claims_to_last_is_a_number(evil: Any, seconds: str) -> None:
    evil(f"block(48_000, 1, bytes(8)) or {{'seconds': {seconds}}}")
    blocks_and_end = grow(0.0)
    next(blocks_and_end)
    if seconds in ("-1", "'7'", "None"):
        with pytest.raises(Refused):
            next(blocks_and_end)
        return
    with pytest.raises(StopIteration) as ended:
        next(blocks_and_end)
    assert 7.0 <= ended.value.value < 1e10


@pytest.mark.parametrize(
    ("module", "error", "said"),
    [
        ("soundfile", "OSError('no sndfile')", "'soundfile' to be decoded: no sndfile"),
        ("soundfile", "ModuleNotFoundError(name='soundfile')", "'soundfile' to be decoded"),
        ("numpy", "MemoryError", "'numpy' to be decoded: MemoryError"),
    ],
)
def test_a_decoder_that_cannot_be_imported_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, error: str, said: str
) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise {error}")
    (tmp_path / "memo.opus").write_bytes(opus(440).content())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    decoder.file_process().close()
    try:
        for _ in range(2):
            with pytest.raises(MissingDecoder, match=f"memo.opus needs the package {said}"):
                examine(tmp_path / "memo.opus")
            with pytest.raises(MissingDecoder):
                list(blocks(tmp_path / "memo.opus", "opus"))
            with pytest.raises(MissingDecoder):
                list(grow(0.0))
    finally:
        decoder.file_process().close()


def test_joined_files_of_two_rates_need_av_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('too old')")
    path = tmp_path / "joined.wav"
    path.write_bytes(
        b"".join(Tone("wav", "pcm_s16le", 440, 0.1, rate).content() for rate in (48_000, 44_100))
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    decoder.file_process().close()
    try:
        with pytest.raises(MissingDecoder, match="'av'"):
            examine(path)
    finally:
        decoder.file_process().close()


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
    process._process.kill()  # between two files, which is the fault of neither
    process._process.wait()
    assert examine(good).duration == 1_000


@pytest.mark.parametrize("ask", [lambda path: decoder.lasts(path, "wav", 1), examine])
def test_a_large_file_may_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Path], object]
) -> None:
    """All of it is read, in search of parts, before anything else can be said."""
    tasks: list[Task] = []

    class Asked:
        def ask(self, task: Task, _tell: object) -> dict[str, object]:
            tasks.append(task)
            return {"duration": 1, "peaks": ""}

    monkeypatch.setattr(decoder, "file_process", Asked)
    path = tmp_path / "large.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVE")
    ask(path)
    os.truncate(path, 10 << 30)
    ask(path)
    small, large = tasks
    assert large.seconds - small.seconds == 640
    assert large.longest_silence - small.longest_silence == 640


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
