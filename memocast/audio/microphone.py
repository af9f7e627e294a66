"""Microphone: a PortAudio input for the recorder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from memocast.audio.devices import microphone, own_devices, portaudio
from memocast.audio.opus_encoder import RATES as OPUS_RATES
from memocast.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE_RATE = 48_000
_BLOCK_FRAMES = 4_800
"""Half as many would take 50 % more CPU, and save 50 ms in a crash."""

_CLOSE_SECONDS = 3.0


class Microphone:
    """A microphone that is not open yet. `selection` as in `devices`. Raises DeviceError."""

    def __init__(self, selection: str = "") -> None:
        self._sounddevice = portaudio()
        self._device = microphone(selection, own_devices())
        self._stream: Any = None

    @property
    def name(self) -> str:
        """PortAudio's name for it."""
        return self._device.name

    def rate(self, format_: str) -> int:
        """Return 48 kHz if the device supports it, else the best rate in Hz for device and format.

        Raises DeviceError, or UsageError when another format would do.
        """
        rates = [SAMPLE_RATE, self._device.sample_rate, *OPUS_RATES]
        if format_ == "opus":
            rates = [rate for rate in rates if rate in OPUS_RATES]
        for rate in dict.fromkeys(rates):
            try:
                self._sounddevice.check_input_settings(
                    device=self._device.index, channels=1, dtype="int16", samplerate=rate
                )
            except self._sounddevice.PortAudioError as error:
                reason = error
            else:
                return rate
        if format_ == "opus" and self._device.sample_rate not in OPUS_RATES:
            raise UsageError(
                f"'{self.name}' records at {self._device.sample_rate} Hz, unsupported by Opus",
                hint="use --format flac",
            )
        raise self._cannot_be_opened(reason)

    def start(self, rate: int, take: Callable[[bytes], None]) -> None:
        """Pass blocks of mono int16, 100 ms at 48 kHz, to `take` in a PortAudio thread."""
        try:
            self._stream = self._sounddevice.RawInputStream(
                samplerate=rate,
                blocksize=_BLOCK_FRAMES,
                device=self._device.index,
                channels=1,
                dtype="int16",
                latency="high",
                # PortAudio's overflow flag is ignored: it is never set.
                callback=lambda block, _frames, _time, _status: take(bytes(block)),
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            raise self._cannot_be_opened(error) from error

    @property
    def active(self) -> bool:
        """False once PortAudio has given up on the device."""
        return bool(self._stream.active)

    def close(self) -> None:
        """Stop listening, without waiting for ever as PortAudio can for a lost device."""
        closing = threading.Thread(target=self._stream.close, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _cannot_be_opened(self, reason: Exception) -> DeviceError:
        said = reason.args[0] if reason.args else reason
        return DeviceError(
            f"the microphone '{self.name}' cannot be opened: {said}",
            hint="is another program using it? choose another: memocast devices",
        )
