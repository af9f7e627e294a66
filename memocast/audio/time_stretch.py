"""Faster or slower speech at the same pitch: waveform-similarity overlap-add.

Source: W. Verhelst and M. Roelands, "An overlap-add technique based on waveform
similarity (WSOLA) for high quality time-scale modification of speech", ICASSP 1993.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = NDArray[np.float32]

_WINDOW_SECONDS = 0.04
_SEARCH_SECONDS = 0.01
_COARSE = 4
"""Segments are compared on every fourth sample: a sixteenth of the work."""


class TimeStretch:
    """Changes the speed of audio that arrives block by block."""

    def __init__(self, sample_rate: int, channels: int, speed: float) -> None:
        self._hop = max(_COARSE, round(sample_rate * _WINDOW_SECONDS / 2))
        self._search = max(1, round(sample_rate * _SEARCH_SECONDS))
        # A window whose two halves, half a window apart, add up to one.
        self._shape = np.hanning(2 * self._hop + 1)[:-1, None].astype(np.float32)
        self.speed = speed
        # Silence first, so that the first segment is searched for like any other.
        self._input: Frames = np.zeros((self._search, channels), np.float32)
        self._wanted = float(self._search)
        self._continuation = self._search
        self._tail: Frames = np.zeros((self._hop, channels), np.float32)

    def feed(self, block: Frames) -> Frames:
        """Take frames of shape (n, channels); return those ready, about n / speed."""
        self._input = np.concatenate([self._input, block])
        ready = [self._input[:0]]
        while self._reach() <= len(self._input):
            start = self._most_similar()
            segment = self._input[start : start + 2 * self._hop] * self._shape
            ready.append(self._tail + segment[: self._hop])
            self._tail = segment[self._hop :]
            self._continuation = start + self._hop
            self._wanted += self._hop * self.speed
        self._forget()
        return np.concatenate(ready)

    def _reach(self) -> int:
        furthest = max(round(self._wanted) + self._search, self._continuation)
        return furthest + 2 * self._hop

    def _most_similar(self) -> int:
        """Return where, near the wanted place, the sound best continues the last segment."""
        first = round(self._wanted) - self._search
        last = round(self._wanted) + self._search + self._hop
        goal = self._input[self._continuation : self._continuation + self._hop : _COARSE].sum(
            axis=1
        )
        nearby = self._input[first:last:_COARSE].sum(axis=1)
        likeness = np.correlate(nearby, goal, "valid")
        return first + int(np.argmax(likeness)) * _COARSE

    def _forget(self) -> None:
        done = min(round(self._wanted) - self._search, self._continuation)
        done = max(0, min(done, len(self._input)))
        self._input = self._input[done:]
        self._wanted -= done
        self._continuation -= done
