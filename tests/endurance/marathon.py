"""Record a tape of any length, faster than real time, and tell the memory that it took.

    python marathon.py SPEECH.wav TARGET HOURS

Prints the most memory in bytes that was ever used, after each tenth of the recording.
Linux only: of a process that was forked, `getrusage` tells its parent's peak.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundfile

from helpers.fake_microphone import BLOCK_FRAMES, RATE, FakeMicrophone
from memocast.audio.recorder import Recorder


def main() -> None:
    speech, target, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) * 3600
    samples, _ = soundfile.read(speech, dtype="int16")
    blocks = [
        samples[start : start + BLOCK_FRAMES].tobytes()
        for start in range(0, len(samples) - BLOCK_FRAMES, BLOCK_FRAMES)
    ]
    count = round(seconds * RATE / BLOCK_FRAMES)
    # Never so far ahead that the recorder's queue would be full.
    tape = FakeMicrophone(
        itertools.islice(itertools.cycle(blocks), count),
        lambda handed: handed / RATE < recorder.elapsed + 5,
    )
    recorder = Recorder(target, target.suffix[1:], tape)
    recorder.start()
    tenths = 1
    while tenths < 10:
        tape.ended.wait(0.02)
        recorder.is_finished()
        if recorder.elapsed >= tenths * seconds / 10:
            print(peak_memory(), flush=True)
            tenths += 1
    tape.ended.wait()
    captured = recorder.stop()
    assert captured.duration == round(count * BLOCK_FRAMES / RATE * 1000)
    assert captured.lost == 0
    assert len(captured.peaks) == 200
    print(peak_memory())


def peak_memory() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
