"""Peaks: the waveform of audio, gathered while it passes by."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from memocast.memo import PEAK_SLICES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

_PEAK_RATE = 100
"""Peaks are gathered a hundred times a second before they are reduced to slices."""

_MOST_PEAKS = 1 << 15
"""Past this many (the first time after 5.5 minutes), each two become one: memory is constant."""


class Peaks:
    """Peak amplitudes of audio that arrives block by block.

    A frame is one sample of every channel. Amplitudes are linear, 255 = full
    scale, the maximum over the channels.
    """

    def __init__(self, sample_rate: int) -> None:
        self.frames = 0
        self._window = max(1, sample_rate // _PEAK_RATE)
        self._gathered = bytearray()

    def feed(self, block: Samples) -> int:
        """Take a block of shape (frames, channels), int16 or float32; return its peak."""
        import numpy as np

        if not len(block):
            return 0
        if block.dtype == np.int16:
            # In int16 the absolute value of -32768 is -32768.
            loud = np.abs(block.astype(np.int32)).max(axis=1) / 32_768.0
        else:
            loud = np.nan_to_num(np.abs(block), nan=0.0, posinf=1.0).max(axis=1)
        # First, since float samples can be so large that 255 times them is no number.
        loud = np.minimum(loud, 1.0)
        levels = np.round(loud * 255).astype(np.uint8)
        self._gather(levels)
        self.frames += len(block)
        return round(float(loud.max()) * 255)

    def _gather(self, levels: NDArray[np.uint8]) -> None:
        import numpy as np

        # The first samples may belong to a window that the last block began.
        offset = self.frames % self._window
        if offset:
            begun = levels[: self._window - offset]
            self._gathered[-1] = max(self._gathered[-1], int(begun.max()))
            levels = levels[self._window - offset :]
        if len(levels):
            starts = np.arange(0, len(levels), self._window)
            self._gathered += np.maximum.reduceat(levels, starts).tobytes()
        if len(self._gathered) > _MOST_PEAKS:
            self._halve()

    def _halve(self) -> None:
        # An odd one at the end goes on being gathered, now for twice as long.
        self._gathered = bytearray(
            max(self._gathered[start : start + 2]) for start in range(0, len(self._gathered), 2)
        )
        self._window *= 2

    def slices(self, count: int = PEAK_SLICES) -> bytes:
        """At most `count` peaks, each of an equal part of what was fed."""
        total = len(self._gathered)
        count = min(count, total)
        edges = [index * total // count for index in range(count + 1)] if count else []
        return bytes(max(self._gathered[start:end]) for start, end in itertools.pairwise(edges))
