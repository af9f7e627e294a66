"""Sounds that a test makes: to be recorded, added or played."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

if TYPE_CHECKING:
    from pathlib import Path


RATE = 48_000


def encoded(source: Path, target: Path, **options: str) -> Path:
    """Encode a WAV with libsndfile."""
    samples, rate = soundfile.read(source, dtype="int16")
    soundfile.write(target, samples, rate, **options)
    return target


def wav(path: Path, samples: Any) -> Path:
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def tone(hertz: float, seconds: float) -> Any:
    return 0.8 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float) -> Any:
    """Something that swells and ebbs, and that no codec makes small."""
    count = round(seconds * RATE)
    swell = 1 + np.sin(2 * np.pi * 3 * np.arange(count) / count)
    return 0.1 * swell * np.random.default_rng(7).uniform(-1, 1, count)


def silence(seconds: float) -> Any:
    return np.zeros(round(seconds * RATE))
