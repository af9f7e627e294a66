"""Resampler: audio whose rate or channels change → audio with the first rate and channels."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from memocast.audio.refusals import missing_decoder
from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

_LARGEST_RATIO = 100
"""Between two rates. A resampler's filter grows with it; from 8 to 768 kHz it is 96."""

_MOST_CHANNELS = 8
"""Each has its own resampler."""

_PIECE_SAMPLES = 1 << 16
"""The size of a piece, in all channels together."""


class Resampler:
    """Converts blocks of float32 frames, shape (n, channels), to this rate in Hz and channels."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._from = rate
        self._resamplers: list[Any] = []

    def take(self, rate: int, block: Samples) -> Iterator[Samples]:
        """Yield the block, converted if need be; part of it may come with a later one.

        Raises Refused for rates and channels that are too different, and MissingDecoder.
        """
        import numpy as np

        if rate != self._from:
            yield from self.rest()
            self._from = rate
        if rate == self.rate and block.shape[1] == self.channels:
            yield block
            return
        frames = max(1, _PIECE_SAMPLES * rate // self.rate // self.channels)
        for begin in range(0, len(block), frames):
            piece = block[begin : begin + frames]
            if piece.shape[1] != self.channels:
                mono = piece.mean(axis=1, keepdims=True)
                piece = np.repeat(mono, self.channels, axis=1)
            if rate != self.rate:
                piece = self._resampled(rate, piece)
            if len(piece):
                yield piece

    def rest(self) -> Iterator[Samples]:
        """Yield the rest of the blocks taken."""
        if not self._resamplers:
            return
        with _translated():
            columns = [_joined(each.resample(None)) for each in self._resamplers]
        self._resamplers = []
        if len(columns[0]):
            yield _stacked(columns)

    def _resampled(self, rate: int, block: Samples) -> Samples:
        try:
            import av
        except ImportError as error:
            raise missing_decoder("sound whose rate changes", "av") from error
        import numpy as np

        if not self._resamplers:
            if max(rate, self.rate) > _LARGEST_RATIO * min(rate, self.rate):
                raise _unlike(f"{self.rate:,} and {rate:,} Hz")
            if self.channels > _MOST_CHANNELS:
                raise _unlike(f"{self.channels} channels at other rates")
            self._resamplers = [
                av.AudioResampler(format="fltp", layout="mono", rate=self.rate)
                for _ in range(self.channels)
            ]
        columns = []
        for resampler, column in zip(self._resamplers, block.T, strict=True):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(column, np.float32)[None], format="fltp", layout="mono"
            )
            frame.sample_rate = rate
            with _translated():
                columns.append(_joined(resampler.resample(frame)))
        return _stacked(columns)


def _unlike(what: str) -> Refused:
    return Refused(
        f"parts of the sound have {what}, which cannot be joined",
        hint="add the original files instead",
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    import av

    try:
        yield
    except av.FFmpegError as error:
        raise Refused(
            "parts of the sound cannot be joined", hint="add the original files instead"
        ) from error


def _joined(frames: list[Any]) -> NDArray[np.float32]:
    import numpy as np

    found = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _stacked(columns: list[NDArray[np.float32]]) -> Samples:
    import numpy as np

    return np.stack(columns, axis=1)
