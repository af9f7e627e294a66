"""Which rate a microphone is opened with, and which refusal names which remedy.

The sound card here takes every rate, so PortAudio's answers of other hardware are written down.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sounddevice import PortAudioError

from memocast.audio import microphone
from memocast.audio.devices import Device
from memocast.audio.microphone import Microphone
from memocast.errors import DeviceError, UsageError

NAME = "USB Audio: #1"


@pytest.fixture
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plug in a microphone with these rates, the first of which is its own."""

    def plug_in(*rates: int, own: int = 0, busy: bool = False) -> Microphone:
        def check(*, samplerate: int, **_: object) -> None:
            if samplerate not in rates:
                raise PortAudioError("Invalid sample rate", -9997)

        def stream(**_: object) -> SimpleNamespace:
            if busy:
                raise PortAudioError("Device unavailable", -9985)
            return SimpleNamespace(start=lambda: None)

        sound = SimpleNamespace(
            PortAudioError=PortAudioError, check_input_settings=check, RawInputStream=stream
        )
        device = Device(0, NAME, 1, 0, own or rates[0], default_input=True, default_output=False)
        monkeypatch.setattr(microphone, "portaudio", lambda: sound)
        monkeypatch.setattr(microphone, "own_devices", lambda: [device])
        return Microphone()

    return plug_in


@pytest.mark.parametrize(
    ("rates", "format_", "expected"),
    [
        ((44_100, 48_000), "flac", 48_000),
        ((44_100,), "flac", 44_100),
        ((44_100,), "wav", 44_100),
        ((44_100, 16_000), "opus", 16_000),
        ((32_000, 8_000, 24_000), "opus", 24_000),
    ],
)
def test_the_best_rate_is_taken_that_device_and_format_have(
    plugged_in: Any, rates: tuple[int, ...], format_: str, expected: int
) -> None:
    assert plugged_in(*rates).rate(format_) == expected


def test_rates_that_opus_lacks_are_a_reason_for_another_format(plugged_in: Any) -> None:
    with pytest.raises(UsageError, match="records at 44100 Hz, unsupported by Opus") as refused:
        plugged_in(44_100).rate("opus")
    assert refused.value.hint == "use --format flac"


@pytest.mark.parametrize("format_", ["opus", "flac"])
def test_a_device_that_takes_no_rate_at_all_may_be_in_use(plugged_in: Any, format_: str) -> None:
    with pytest.raises(DeviceError, match=f"'{NAME}' cannot be opened: Invalid") as refused:
        plugged_in(own=48_000).rate(format_)
    assert refused.value.hint.startswith("is another program using it?")


def test_a_device_that_is_taken_meanwhile_may_be_in_use(plugged_in: Any) -> None:
    with pytest.raises(DeviceError, match=f"'{NAME}' cannot be opened: Device") as refused:
        plugged_in(48_000, busy=True).start(48_000, lambda _: None)
    assert refused.value.hint.startswith("is another program using it?")
