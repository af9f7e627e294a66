"""Playing faster or slower keeps the pitch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from memocast.audio.time_stretch import TimeStretch

RATE = 48_000


def stretched(samples: Any, speed: float, block: int = 2_400) -> Any:
    tempo = TimeStretch(RATE, samples.shape[1], speed)
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    return np.concatenate([tempo.feed(part) for part in blocks])


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.25, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_tone_lasts_shorter_or_longer_and_stays_the_same_tone(
    speed: float, channels: int
) -> None:
    moments = np.arange(3 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 220 * moments)).astype(np.float32)
    out = stretched(np.stack([tone] * channels, axis=1), speed)
    assert len(out) == pytest.approx(3 * RATE / speed, abs=0.1 * RATE)
    middle = out[RATE // 4 : -RATE // 4, 0]
    loudness = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    pitch = np.argmax(loudness) * RATE / len(middle)
    assert pitch == pytest.approx(220, abs=2)
    # No clicks and no holes: the tone is as loud as it was, all along.
    peaks = np.abs(middle[: len(middle) // 480 * 480].reshape(-1, 480)).max(axis=1)
    assert peaks.min() > 0.35
    assert peaks.max() < 0.6


def test_blocks_of_any_size_give_the_same_sound() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (RATE, 1)).astype(np.float32)
    assert np.array_equal(stretched(noise, 1.5, 700), stretched(noise, 1.5, 48_000))
