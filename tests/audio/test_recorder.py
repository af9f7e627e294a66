"""The recorder by itself: the same code path as `record`, with a tape instead of a microphone."""

from __future__ import annotations

import errno
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from helpers.fake_microphone import BLOCK_FRAMES, RATE, FakeMicrophone, in_real_time
from helpers.full_or_short import scaled
from helpers.waiting import wait_for
from memocast.audio.examine import examine
from memocast.audio.peaks import Peaks
from memocast.audio.recorder import Captured, Recorder
from memocast.errors import LibraryError

if TYPE_CHECKING:
    from pathlib import Path


def blocks_of(speech: Path, seconds: float) -> list[bytes]:
    """Speech again and again, ever louder, cut into blocks of 50 ms."""
    samples, _ = soundfile.read(speech, dtype="int16")
    tape = np.resize(samples, round(seconds * RATE))
    tape = (tape * np.linspace(0.1, 1, len(tape))).astype(np.int16)
    return [
        tape[start : start + BLOCK_FRAMES].tobytes() for start in range(0, len(tape), BLOCK_FRAMES)
    ]


def record(path: Path, format_: str, blocks: list[bytes]) -> Captured:
    """Record the whole tape, faster than real time."""
    tape = FakeMicrophone(blocks, lambda handed: handed / RATE < recorder.elapsed + 30)
    recorder = Recorder(path, format_, tape)
    recorder.start()
    assert tape.ended.wait(60)
    return recorder.stop()


@pytest.mark.parametrize("format_", ["flac", "wav"][: scaled(2, 1)])
def test_the_waveform_of_a_recording_is_that_of_its_file(
    speech: Path, tmp_path: Path, format_: str
) -> None:
    path = tmp_path / f"audio.{format_}"
    seconds = scaled(400, 40)
    captured = record(path, format_, blocks_of(speech, seconds))
    sound = examine(path)
    assert captured == Captured(seconds * 1_000, sound.peaks, 0)
    assert len(sound.peaks) == 200
    assert len(set(sound.peaks)) > 50


def test_a_waveform_takes_constant_memory_and_stays_exact() -> None:
    peaks = Peaks(RATE)
    # Each second a little louder than the last, in blocks of uneven length.
    loudness = np.linspace(0, 32_767, 7200).astype(np.int16)
    lengths = itertools.cycle([48_000, 1_000, 95_000])
    tape = np.repeat(loudness, 100).reshape(-1, 1)  # 100 frames stand for a second
    peaks = Peaks(100)
    start = 0
    for length in lengths:
        peaks.feed(tape[start : start + length // 480])
        start += length // 480
        if start >= len(tape):
            break
    assert peaks.frames == len(tape)
    assert len(peaks._gathered) <= 1 << 15
    slices = peaks.slices()
    expected = [tape[len(tape) * (n + 1) // 200 - 1, 0] / 32_768 * 255 for n in range(200)]
    assert list(slices) == pytest.approx(expected, abs=1.5)


@pytest.mark.long
def test_sound_that_did_not_arrive_is_counted_and_a_pause_is_not(
    speech: Path, tmp_path: Path
) -> None:
    pace = in_real_time()
    blocks = blocks_of(speech, 5)
    gap = range(20, 30)  # half a second that the device never hands over
    kept = [block for number, block in enumerate(blocks) if number not in gap]
    tape = FakeMicrophone(
        kept, lambda handed: pace(handed + (len(gap) * BLOCK_FRAMES if handed >= 48_000 else 0))
    )
    recorder = Recorder(tmp_path / "audio.wav", "wav", tape)
    recorder.start()
    wait_for("two seconds", lambda: recorder.elapsed >= 2)
    recorder.pause()
    before = tape.handed
    wait_for("half a second of pause", lambda: tape.handed >= before + RATE / 2)
    recorder.resume()
    assert tape.ended.wait(30)
    captured = recorder.stop()
    assert captured.lost == pytest.approx(500, abs=150)
    assert captured.duration == pytest.approx(4000, abs=200)


class Stalled:
    """An open sound file on a disk that takes nothing for a while."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.goes_on = threading.Event()

    def write(self, samples: Any) -> None:
        self.goes_on.wait(30)
        self._file.write(samples)

    def close(self) -> None:
        self._file.close()


def test_what_a_slow_disk_has_not_taken_yet_is_waited_for(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memocast.audio.recorder._STOP_SECONDS", 0.05)
    monkeypatch.setattr("memocast.audio.recorder._QUEUE_BLOCKS", 20)
    tape = FakeMicrophone(blocks_of(speech, 1), lambda _handed: True)
    recorder = Recorder(tmp_path / "audio.wav", "wav", tape)
    disk = recorder._file = Stalled(recorder._file)
    recorder.start()
    assert tape.ended.wait(30)
    captured: list[Captured] = []
    stopping = threading.Thread(target=lambda: captured.append(recorder.stop()))
    stopping.start()
    assert not recorder._file._file.closed
    disk.goes_on.set()
    stopping.join(30)
    assert captured[0].duration == 1000
    assert examine(tmp_path / "audio.wav").duration == 1000


def test_a_disk_that_fills_up_with_the_last_sound_is_told_after_the_end(
    speech: Path, tmp_path: Path
) -> None:
    tape = FakeMicrophone(blocks_of(speech, 1), lambda _handed: True)
    recorder = Recorder(tmp_path / "audio.wav", "wav", tape)

    class Full(Stalled):
        def write(self, samples: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    recorder._file = Full(recorder._file)
    recorder.start()
    assert tape.ended.wait(30)
    recorder.stop()
    with pytest.raises(LibraryError, match="writing the recording failed"):
        recorder.check_writing()


def test_a_microphone_gets_a_moment_to_come_back_after_the_machine_slept(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = time.monotonic()
    monkeypatch.setattr("memocast.audio.recorder._now", lambda: clock)
    hungry = True
    tape = FakeMicrophone(
        itertools.cycle(blocks_of(speech, 5)),
        lambda handed: hungry and handed / RATE < recorder.elapsed + 1,
    )
    recorder = Recorder(tmp_path / "audio.wav", "wav", tape)
    recorder.start()
    wait_for("sound", lambda: recorder.elapsed > 1)
    hungry = False
    clock += 3600
    assert recorder.is_finished() is False
    hungry = True
    before = tape.handed
    wait_for("more", lambda: tape.handed > before)
    assert recorder.is_finished() is False
    hungry = False
    recorder.is_finished()
    clock += 4
    recorder.is_finished()
    clock += 2
    with pytest.raises(Exception, match="went away"):
        recorder.is_finished()
    assert recorder.stop().lost > 3_500_000
