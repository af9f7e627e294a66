"""Comparing what was heard with what was said."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

RATE = 48_000


def decoded(path: Path) -> Samples:
    """The audio of a file as PyAV decodes it: mono, 48 kHz."""
    import av

    with av.open(io.BytesIO(path.read_bytes())) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [
            plain.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for plain in resampler.resample(frame)
        ]
    return np.concatenate(frames).astype(np.float64)


def likeness(heard: Samples, said: Samples) -> float:
    """How alike two sounds are where they overlap best: 1 is the same but for loudness."""
    size = 1 << (len(heard) + len(said)).bit_length()
    crossed = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    shift = int(np.argmax(crossed))
    shift -= size if shift > size // 2 else 0
    here, there = heard[max(0, shift) :], said[max(0, -shift) :]
    length = min(len(here), len(there))
    assert length > 0.8 * min(len(heard), len(said)), "hardly any of it overlaps"
    here, there = here[:length], there[:length]
    return float(here @ there / np.sqrt((here @ here) * (there @ there)))


def alignment(recorded: Any, spoken: Any) -> tuple[int, float]:
    """Where in `recorded` the speech begins, and how well the two correlate there."""
    size = 1 << (len(recorded) + len(spoken)).bit_length()
    spectrum = np.fft.rfft(recorded, size) * np.conj(np.fft.rfft(spoken, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: len(recorded)]))
    heard = recorded[lag : lag + len(spoken)]
    return lag, float(np.corrcoef(heard, spoken[: len(heard)])[0, 1])


def voice(samples: Any) -> Any:
    """The part between the first and the last sound."""
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return samples[loud[0] : loud[-1] + 1]
