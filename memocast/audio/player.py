"""Player: plays an audio file or a growing download on the speaker."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from memocast.audio.devices import own_devices, portaudio, speaker
from memocast.audio.resampler import Resampler
from memocast.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.audio.decoder import Samples
    from memocast.audio.time_stretch import TimeStretch

    Blocks = Callable[[float], Iterator[tuple[int, Samples]]]
    """Yields sample rate in Hz and float32 frames of shape (n, channels) from the given second."""

SPEEDS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
_CHUNK_SECONDS = 0.05
_PAUSE_SECONDS = 0.02


class Player:
    """Plays what `blocks` yields in a separate thread, while its methods are called."""

    def __init__(self, blocks: Blocks, duration: float, device: str = "") -> None:
        """Prepare to play `duration` seconds. Raises DeviceError."""
        self._sounddevice = portaudio()
        self._device = speaker(device, own_devices())
        self._blocks = blocks
        self.duration = duration
        self.position = 0.0
        self.speed = 1.0
        self.paused = False
        self.has_begun = False
        self._format = (0, 0)  # Hz and channels, of the first sound
        self._wanted: float | None = None
        self._tempo: TimeStretch | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)

    def start(self) -> None:
        """Start playing."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the end; return whether it came. Raises the player's error."""
        ended = self._ended.wait(seconds)
        if ended and self._failure:
            raise self._failure
        return ended

    def stop(self) -> None:
        """Stop at once."""
        self._stopping.set()
        self._ended.wait(2)

    def seek(self, seconds: float) -> None:
        """Continue from there, within the file."""
        self._wanted = self.position = max(0.0, min(seconds, self.duration))

    def faster(self, steps: int) -> None:
        """Change the speed by `steps` in `SPEEDS`, up or down."""
        index = SPEEDS.index(self.speed) + steps
        self.speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]

    def _run(self) -> None:
        try:
            self._play()
        except self._sounddevice.PortAudioError as error:
            self._failure = DeviceError(
                f"the speaker '{self._device.name}' failed: {error.args[0]}",
                hint="choose another: memocast devices",
            )
        except Exception as error:  # raised again by `wait`, in the caller's thread
            self._failure = error
        finally:
            self._ended.set()

    def _play(self) -> None:
        import numpy as np

        chunks = self._chunks(0.0)
        first = next(chunks, None)
        if first is None:
            return
        rate, channels = self._format
        stream = self._sounddevice.OutputStream(
            samplerate=rate, channels=channels, dtype="float32", device=self._device.index
        )
        self.has_begun = True
        chunks = itertools.chain([first], chunks)
        with stream:
            while not self._stopping.is_set():
                if self._wanted is not None:
                    start, self._wanted = self._wanted, None
                    self._tempo = None
                    chunks = self._chunks(start)
                elif self.paused:
                    self._stopping.wait(_PAUSE_SECONDS)
                elif (chunk := next(chunks, None)) is None:
                    break
                else:
                    stream.write(self._at_speed(chunk, rate))
                    self.position += len(chunk) / rate
            if not self._stopping.is_set():
                # PortAudio drops its buffer when closed.
                silence = round((stream.latency + 0.1) * rate)
                stream.write(np.zeros((silence, channels), np.float32))

    def _chunks(self, start: float) -> Iterator[Samples]:
        """Yield short blocks from `start` on, all in the format of the first ever.

        A seek in a joined file can lead into a part that has another rate or other channels.
        """
        uniform: Resampler | None = None
        for rate, block in self._blocks(start):
            if not any(self._format):
                self._format = rate, block.shape[1]
            uniform = uniform or Resampler(*self._format)
            for piece in uniform.take(rate, block):
                yield from self._short(piece)
        if uniform:
            for piece in uniform.rest():
                yield from self._short(piece)

    def _short(self, block: Samples) -> Iterator[Samples]:
        step = max(1, round(self._format[0] * _CHUNK_SECONDS))
        for index in range(0, len(block), step):
            yield block[index : index + step]

    def _at_speed(self, samples: Samples, rate: int) -> Samples:
        import numpy as np

        from memocast.audio.time_stretch import TimeStretch

        plain = np.ascontiguousarray(samples, dtype=np.float32)
        if self.speed == 1.0:
            self._tempo = None
            return plain
        if self._tempo is None or self._tempo.speed != self.speed:
            self._tempo = TimeStretch(rate, plain.shape[1], self.speed)
        return self._tempo.feed(plain)
