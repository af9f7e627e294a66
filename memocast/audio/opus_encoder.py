"""Opus encoder: a crash loses no more than 200 ms.

It uses FFmpeg's libopus (PyAV): the one in soundfile's wheel takes three times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

RATES = (48_000, 24_000, 16_000, 12_000, 8_000)
"""Hz. The only rates that libopus encodes."""

_BITS_PER_SECOND = 46_000
_PAGE_MICROSECONDS = 100_000
"""FFmpeg holds a page back until the next one is full."""


class OpusWriter:
    """An Ogg Opus file to write mono int16 to; it is written page by page."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        import av

        self._rate = sample_rate
        self._raw = path.open("wb", buffering=0)
        # A file object, not a path: FFmpeg would take some names for protocols.
        self._container = av.open(
            self._raw,
            "w",
            format="opus",
            options={"page_duration": str(_PAGE_MICROSECONDS), "flush_packets": "1"},
        )
        self._stream = self._container.add_stream(
            "libopus",
            rate=sample_rate,
            layout="mono",
            options={"b": str(_BITS_PER_SECOND), "application": "audio"},
        )
        self._fifo = av.AudioFifo()
        self._frames = 0
        self._failed = False

    def write(self, samples: NDArray[np.int16]) -> None:
        """Encode samples of shape (n, 1). Raises OSError and av.FFmpegError."""
        import av

        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._frames
        self._frames += len(samples)
        self._fifo.write(frame)
        self._failed = True
        size = self._stream.codec_context.frame_size or self._rate // 50
        for whole in self._fifo.read_many(size):
            self._container.mux(self._stream.encode(whole))
        self._failed = False

    def close(self) -> None:
        """Encode the rest and close the file. After a failure nothing more is written."""
        try:
            if not self._failed:
                if rest := self._fifo.read(0, partial=True):
                    self._container.mux(self._stream.encode(rest))
                self._container.mux(self._stream.encode(None))
                self._container.close()
        finally:
            self._raw.close()
