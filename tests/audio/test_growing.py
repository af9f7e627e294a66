"""What is played while it arrives, read from any place that was sought."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from memocast.audio.decoder import grow
from memocast.random_access import RandomAccess

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE = 48_000


@pytest.fixture(params=["PCM_16", "PCM_24"])
def wav(request: pytest.FixtureRequest) -> bytes:
    """Two seconds of noise."""
    file = io.BytesIO()
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 2 * RATE)
    soundfile.write(file, noise, RATE, request.param, format="WAV")
    return file.getvalue()


def sound(blocks: Iterator[tuple[int, np.ndarray]]) -> np.ndarray:
    return np.concatenate([block for _, block in blocks])[:, 0]


@pytest.mark.parametrize("start", [0.0, 0.5, 1.0001])
@pytest.mark.parametrize("most", [1 << 20, 10_000])
def test_all_that_follows_is_played_however_little_comes_at_once(
    wav: bytes, start: float, most: int
) -> None:
    def read_at(position: int, count: int) -> bytes:
        return wav[position : position + min(count, most)]

    whole, _ = soundfile.read(io.BytesIO(wav), dtype="float32")
    heard = sound(grow(start, size=len(wav), read_at=read_at))
    assert np.array_equal(heard, whole[round(start * RATE) :])


class Drops(RandomAccess):
    """Bytes that come three at a time."""

    def __init__(self, content: bytes) -> None:
        super().__init__(len(content))
        self._content = content

    def read_at(self, position: int, count: int) -> bytes:
        return self._content[position : position + min(count, 3)]


def test_a_read_is_short_only_at_the_end() -> None:
    file = Drops(b"0123456789")
    assert [file.read(4) for _ in range(4)] == [b"0123", b"4567", b"89", b""]
