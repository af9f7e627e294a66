"""Uniform: sound whose rate or channels change on the way → sound that has the first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]


class Uniform:
    """Makes blocks of float32 frames, shape (n, channels), have this rate in Hz and channels."""

    def __init__(self, rate: int, channels: int) -> None:
        self.rate = rate
        self.channels = channels
        self._from = rate
        self._resamplers: list[Any] = []

    def take(self, rate: int, block: Samples) -> Samples:
        """The block, changed where it has to be. Some of it may come with a later one."""
        import numpy as np

        before = self.rest() if rate != self._from else None
        self._from = rate
        if block.shape[1] != self.channels:
            mono = block.mean(axis=1, keepdims=True)
            block = np.repeat(mono, self.channels, axis=1)
        if rate != self.rate:
            block = self._resampled(rate, block)
        return block if before is None or not len(before) else np.concatenate([before, block])

    def rest(self) -> Samples:
        """What is still to come of the blocks taken."""
        import numpy as np

        columns = [_joined(each.resample(None)) for each in self._resamplers]
        self._resamplers = []
        return _stacked(columns) if columns else np.zeros((0, self.channels), np.float32)

    def _resampled(self, rate: int, block: Samples) -> Samples:
        import av
        import numpy as np

        if not self._resamplers:
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
            columns.append(_joined(resampler.resample(frame)))
        return _stacked(columns)


def _joined(frames: list[Any]) -> NDArray[np.float32]:
    import numpy as np

    found = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _stacked(columns: list[NDArray[np.float32]]) -> Samples:
    import numpy as np

    return np.stack(columns, axis=1)
