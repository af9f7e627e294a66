"""The player by itself: the same code path as `play`, with a speaker that keeps what it gets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from memocast.audio import player

if TYPE_CHECKING:
    from collections.abc import Iterator


class FakeSpeaker:
    """An output stream; on its first block the user jumps to the tenth second."""

    latency = 0.0

    def __init__(self) -> None:
        self.format = (0, 0)
        self.heard: list[np.ndarray] = []

    def open(self, samplerate: int, channels: int, **_: object) -> Self:
        self.format = samplerate, channels
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, samples: np.ndarray) -> None:
        self.heard.append(samples)
        if len(self.heard) == 1:
            self.jump(10.0)

    def jump(self, seconds: float) -> None:
        """Replaced by the player's `seek`."""


@pytest.mark.parametrize(
    ("first", "second"), [((44_100, 1), (48_000, 2)), ((48_000, 2), (44_100, 1))]
)
def test_a_seek_into_a_part_of_another_rate_is_heard_at_the_right_speed(
    monkeypatch: pytest.MonkeyPatch, first: tuple[int, int], second: tuple[int, int]
) -> None:
    def blocks(start: float) -> Iterator[tuple[int, Any]]:
        rate, channels = first if start < 5 else second
        for _ in range(4):
            yield rate, np.full((rate // 4, channels), 0.5, np.float32)

    speaker = FakeSpeaker()
    sounds = SimpleNamespace(OutputStream=speaker.open, PortAudioError=OSError)
    monkeypatch.setattr(player, "portaudio", lambda: sounds)
    monkeypatch.setattr(player, "own_devices", list)
    monkeypatch.setattr(player, "speaker", lambda *_: SimpleNamespace(name="", index=0))
    playing = player.Player(blocks, 20.0)
    monkeypatch.setattr(speaker, "jump", playing.seek)
    playing.start()
    assert playing.wait(20)
    assert speaker.format == first
    assert {samples.shape[1] for samples in speaker.heard} == {first[1]}
    before, *after, _silence = speaker.heard
    assert sum(map(len, after)) / first[0] == pytest.approx(1.0, abs=0.01)
    assert playing.position == pytest.approx(11.0 + len(before) / first[0], abs=0.01)
