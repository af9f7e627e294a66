"""Recorder: microphone → a file that a crash cannot take back.

PortAudio's thread only hands blocks over; one writer thread encodes them
straight to disk and gathers the waveform on the way.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memocast import audio, encoder
from memocast.devices import microphone, portaudio
from memocast.errors import DeviceError, LibraryError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.devices import Device

SAMPLE_RATE = 48_000
_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)
_BLOCK_FRAMES = 2_400
_QUEUE_BLOCKS = 1_200
"""A minute of audio: how far the encoder may fall behind on a machine that is busy."""

_SILENT_DEVICE_SECONDS = 3.0
_STOP_SECONDS = 3.0
_NORMAL_SKEW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Captured:
    """What a recording came to: `duration` in milliseconds, `lost` in seconds, peaks as in Memo."""

    duration: int
    peaks: bytes
    lost: float


class Recorder:
    """One recording, from `start` to `stop`."""

    def __init__(
        self, path: Path, format_: str, device: str = "", limit: float | None = None
    ) -> None:
        """Record from `device` into `path`, at most `limit` seconds. Raises DeviceError."""
        self._sounddevice = portaudio()
        self.device: Device = microphone(device)
        self._path = path
        self._rate = self._usable_rate(format_)
        most = encoder.MAX_WAV_FRAMES if format_ == "wav" else None
        self._limit = most if limit is None else max(1, round(limit * self._rate))
        if most and self._limit:
            self._limit = min(self._limit, most)
        self._file = encoder.writer(path, format_, self._rate)
        self._peaks = audio.Peaks(self._rate)
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_QUEUE_BLOCKS)
        self._writer = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._failure: Exception | None = None
        self._full = threading.Event()
        self._stream: Any = None
        self._paused = False
        self._handed = 0  # frames that PortAudio gave us while not paused
        self._spent = 0.0  # seconds of recording, by the clock
        self._resumed_at: float | None = None
        self._last_block = 0.0
        self.level = 0
        """Peak of the latest block, 0 to 255."""

    def start(self) -> None:
        """Open the microphone. Raises DeviceError."""
        self._last_block = time.monotonic()
        try:
            self._stream = self._sounddevice.RawInputStream(
                samplerate=self._rate,
                blocksize=_BLOCK_FRAMES,
                device=self.device.index,
                channels=1,
                dtype="int16",
                latency="high",
                callback=self._take,
            )
            self._stream.start()
        except self._sounddevice.PortAudioError as error:
            self._file.close()
            raise DeviceError(
                f"the microphone '{self.device.name}' cannot be opened: {_reason(error)}",
                hint="is another program using it? choose another: memocast devices",
            ) from error
        self._writer.start()

    @property
    def elapsed(self) -> float:
        """Seconds recorded so far."""
        return self._peaks.frames / self._rate

    @property
    def size(self) -> int:
        """Bytes on disk so far."""
        return self._path.stat().st_size

    @property
    def paused(self) -> bool:
        """Whether sound is being left out."""
        return self._paused

    def pause(self) -> None:
        """Leave out what is said from now on, until `resume`."""
        self._paused = True
        if self._resumed_at is not None:
            self._spent += time.monotonic() - self._resumed_at
            self._resumed_at = None
        self.level = 0

    def resume(self) -> None:
        """Go on recording."""
        self._paused = False

    def is_finished(self) -> bool:
        """Whether the limit has been reached. Raises what went wrong, if something did."""
        if self._failure:
            raise LibraryError(
                f"writing the recording failed: {_reason(self._failure)}",
                hint="free some space; what was recorded before is kept",
            ) from self._failure
        if time.monotonic() - self._last_block > _SILENT_DEVICE_SECONDS or not self._stream.active:
            raise DeviceError(
                f"the microphone '{self.device.name}' went away",
                hint="what was recorded is kept; check the connection: memocast devices",
            )
        return self._full.is_set()

    def stop(self) -> Captured:
        """Close the microphone and the file. Safe after any failure."""
        self.pause()
        self._close_stream()
        with contextlib.suppress(queue.Full):  # the writer has died; it takes nothing any more
            self._blocks.put(None, timeout=_STOP_SECONDS)
            self._writer.join()
        self._file.close()
        frames = self._peaks.frames
        lost = self._spent - self._handed / self._rate
        return Captured(
            round(frames * 1000 / self._rate),
            self._peaks.slices(),
            lost if lost > _NORMAL_SKEW_SECONDS else 0.0,
        )

    def _close_stream(self) -> None:
        # PortAudio can wait for ever on a device that went away.
        closing = threading.Thread(target=self._stream.close, daemon=True)
        closing.start()
        closing.join(_STOP_SECONDS)

    def _take(self, block: Any, frames: int, _time: object, _status: object) -> None:
        """PortAudio's thread: its own overflow flag is unreliable, so `stop` compares clocks."""
        now = time.monotonic()
        self._last_block = now
        if self._paused:
            return
        if self._resumed_at is None:
            self._resumed_at = now - frames / self._rate
        try:
            self._blocks.put_nowait(bytes(block))
        except queue.Full:
            return
        self._handed += frames

    def _write(self) -> None:
        import numpy as np

        while (block := self._blocks.get()) is not None:
            if self._full.is_set() or self._failure:
                continue
            samples = np.frombuffer(block, np.int16).reshape(-1, 1)
            if self._limit is not None:
                samples = samples[: self._limit - self._peaks.frames]
            try:
                self._file.write(samples)
            except Exception as error:  # soundfile also asserts
                self._failure = error
                continue
            self.level = self._peaks.feed(samples)
            if self._limit is not None and self._peaks.frames >= self._limit:
                self._full.set()

    def _usable_rate(self, format_: str) -> int:
        """48 kHz where the device has it, else the best that device and format agree on."""
        rates = [SAMPLE_RATE, self.device.sample_rate, *_OPUS_RATES]
        if format_ == "opus":
            rates = [rate for rate in rates if rate in _OPUS_RATES]
        for rate in dict.fromkeys(rates):
            try:
                self._sounddevice.check_input_settings(
                    device=self.device.index, channels=1, dtype="int16", samplerate=rate
                )
            except self._sounddevice.PortAudioError as error:
                reason = error
            else:
                return rate
        if format_ == "opus" and self.device.sample_rate not in _OPUS_RATES:
            raise UsageError(
                f"'{self.device.name}' records at {self.device.sample_rate} Hz, which Opus"
                " does not know",
                hint="use --format flac",
            )
        raise DeviceError(
            f"the microphone '{self.device.name}' cannot be opened: {_reason(reason)}",
            hint="is another program using it? choose another: memocast devices",
        )


def _reason(error: BaseException) -> str:
    # libsndfile's errors carry a number first, PortAudio's a sentence.
    said = getattr(error, "error_string", None) or (error.args[0] if error.args else "")
    return str(said) or type(error).__name__
