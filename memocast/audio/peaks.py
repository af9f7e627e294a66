"""Peaks: the waveform of audio, computed block by block."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from memocast.formats.memo import PEAK_SLICES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

_PEAK_RATE = 100
"""Peaks per second, before they are reduced to slices."""

_MOST_PEAKS = 1 << 15
"""Above this many (first after 5.5 minutes), each two become one, so memory is constant."""


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
        # The first samples may belong to a window begun in the last block.
        begun = self.frames % self._window
        starts = np.arange(-begun, len(block), self._window)
        starts[0] = 0
        if block.dtype == np.int16:
            # Wider, since in int16 the absolute value of -32768 is -32768.
            high = np.maximum.reduceat(block.max(axis=1), starts).astype(np.int32)
            low = np.minimum.reduceat(block.min(axis=1), starts).astype(np.int32)
            loud = np.maximum(high, -low) / 32_768.0
        else:
            every = np.nan_to_num(np.abs(block), nan=0.0, posinf=1.0).max(axis=1)
            loud = np.maximum.reduceat(every, starts)
        # Clip first: float samples can be so large that 255 times them overflows.
        levels = np.round(np.minimum(loud, 1.0) * 255).astype(np.uint8).tobytes()
        if begun:
            self._gathered[-1] = max(self._gathered[-1], levels[0])
        self._gathered += levels[1:] if begun else levels
        self.frames += len(block)
        if len(self._gathered) > _MOST_PEAKS:
            self._halve()
        return max(levels)

    def _halve(self) -> None:
        # An odd one at the end stays open, with a window twice as long.
        self._gathered = bytearray(
            max(self._gathered[start : start + 2]) for start in range(0, len(self._gathered), 2)
        )
        self._window *= 2

    def slices(self, count: int = PEAK_SLICES) -> bytes:
        """Return at most `count` peaks, each of an equal part of the audio."""
        total = len(self._gathered)
        count = min(count, total)
        edges = [index * total // count for index in range(count + 1)] if count else []
        return bytes(max(self._gathered[start:end]) for start, end in itertools.pairwise(edges))
