"""A recorder to be killed: it tells, frame by frame, what it has handed to the encoder.

    python doomed.py SPEECH.wav TARGET.opus COUNTER

COUNTER is a file of eight bytes that this process and its killer share.
"""

from __future__ import annotations

import itertools
import mmap
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundfile

from helpers.fake_microphone import BLOCK_FRAMES, RATE, FakeMicrophone
from memocast.audio.recorder import Recorder

SPEED = 4
"""Times real time."""


class Counting:
    """An open sound file that counts what it has taken."""

    def __init__(self, file: Any, counter: mmap.mmap) -> None:
        self._file = file
        self._counter = counter
        self._frames = 0

    def write(self, samples: Any) -> None:
        self._file.write(samples)
        self._frames += len(samples)
        struct.pack_into("<Q", self._counter, 0, self._frames)

    def close(self) -> None:
        self._file.close()


def main() -> None:
    speech, target, counter = map(Path, sys.argv[1:])
    samples, _ = soundfile.read(speech, dtype="int16")
    blocks = [
        samples[start : start + BLOCK_FRAMES].tobytes()
        for start in range(0, len(samples) - BLOCK_FRAMES, BLOCK_FRAMES)
    ]
    begun = time.monotonic()
    tape = FakeMicrophone(
        itertools.cycle(blocks),
        lambda handed: handed / RATE <= SPEED * (time.monotonic() - begun),
    )
    recorder = Recorder(target, target.suffix[1:], tape)
    with counter.open("r+b") as file:
        recorder._file = Counting(recorder._file, mmap.mmap(file.fileno(), 8))
        recorder.start()
        while not recorder.is_finished():
            tape.ended.wait(0.05)  # it never ends


if __name__ == "__main__":
    main()
