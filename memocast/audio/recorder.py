"""Recorder: microphone → a file that survives a crash.

The microphone's thread only queues blocks; one writer thread encodes them
straight to disk and computes the waveform.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from memocast.audio import recording_file
from memocast.audio.peaks import Peaks
from memocast.errors import DeviceError, LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BYTES_PER_FRAME = 2
_NO_ROOM_BYTES = 1 << 16
_QUEUE_BLOCKS = 1_200
"""A minute of audio: how far the encoder may fall behind on a busy machine."""

_SILENT_DEVICE_SECONDS = 3.0
_SECOND_LOOK_SECONDS = 1.0
_STOP_SECONDS = 3.0
_NORMAL_SKEW_SECONDS = 0.3

# On Linux, the clock that keeps running while the machine sleeps.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Source(Protocol):
    """A source of audio for the recorder, such as `Microphone`."""

    @property
    def name(self) -> str:
        """Its name, for the user."""

    @property
    def active(self) -> bool:
        """Whether it may deliver more."""

    def rate(self, format_: str) -> int:
        """Return the sample rate in Hz that it will use for a recording of this format."""

    def start(self, rate: int, take: Callable[[bytes], None]) -> None:
        """Start passing blocks of mono int16 to `take`, from a separate thread."""

    def close(self) -> None:
        """Stop delivering."""


@dataclass(frozen=True, slots=True)
class Captured:
    """The result of a recording: `duration` and `lost` in milliseconds, `peaks` as in `Memo`."""

    duration: int
    peaks: bytes
    lost: int


class Recorder:
    """One recording, from `start` to `stop`."""

    def __init__(
        self, path: Path, format_: str, source: Source, limit: float | None = None
    ) -> None:
        """Prepare to record `source` to `path` for at most `limit` seconds. Raises DeviceError."""
        self.source = source
        self._path = path
        self._rate = source.rate(format_)
        most = recording_file.MAX_WAV_FRAMES if format_ == "wav" else None
        self._limit = most if limit is None else max(1, round(limit * self._rate))
        if most and self._limit:
            self._limit = min(self._limit, most)
        self._file = recording_file.writer(path, format_, self._rate)
        self._peaks = Peaks(self._rate)
        self._blocks: queue.Queue[bytes | None] = queue.Queue(_QUEUE_BLOCKS)
        self._writer = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._failure: Exception | None = None
        self._full = threading.Event()
        self._paused = False
        self._handed = 0  # frames that arrived while not paused
        self._spent = 0.0  # clock seconds in which they arrived
        self._since: float | None = None  # when the current stretch between pauses began
        self._last_block = 0.0
        self._missed_since: float | None = None
        self.level = 0
        """Peak of the latest block, 0 to 255."""

    def start(self) -> None:
        """Open the microphone. Raises DeviceError."""
        self._last_block = _now()
        try:
            self.source.start(self._rate, self._take)
        except DeviceError:
            self._file.close()
            raise
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
        """Whether recording is paused."""
        return self._paused

    def pause(self) -> None:
        """Ignore the microphone until `resume`."""
        self._paused = True
        if self._since is not None:
            # Up to the last block: audio still on its way is not lost.
            self._spent += self._last_block - self._since
            self._since = None
        self.level = 0

    def resume(self) -> None:
        """Continue recording."""
        self._paused = False

    def is_finished(self) -> bool:
        """Return whether the limit was reached. Raises DeviceError or LibraryError."""
        self.check_writing()
        if self._is_silent() or not self.source.active:
            raise DeviceError(
                f"the microphone '{self.source.name}' went away",
                hint="the recording so far is kept; check the connection: memocast devices",
            )
        return self._full.is_set()

    def check_writing(self) -> None:
        """Raise LibraryError if writing failed; it can be called after `stop` too."""
        if self._failure:
            # libsndfile reports only "system error".
            full = shutil.disk_usage(self._path.parent).free < _NO_ROOM_BYTES
            reason = "the disk is full" if full else _reason(self._failure)
            raise LibraryError(
                f"writing the recording failed: {reason}",
                hint="free some space; the recording so far is kept",
            ) from self._failure

    def _is_silent(self) -> bool:
        """Return whether blocks stopped; after sleep, the microphone gets a moment to return."""
        now = _now()
        if now - self._last_block <= _SILENT_DEVICE_SECONDS:
            self._missed_since = None
            return False
        self._missed_since = self._missed_since or now
        return now - self._missed_since > _SECOND_LOOK_SECONDS

    def stop(self) -> Captured:
        """Close the microphone and the file. Safe after any failure."""
        self.pause()
        self.source.close()
        # However long the disk takes: the queue holds audio, and the writer still uses the file.
        while self._writer.is_alive():
            with contextlib.suppress(queue.Full):
                self._blocks.put(None, timeout=_STOP_SECONDS)
                self._writer.join()
        try:
            self._file.close()
        except Exception as error:  # `check_writing` reports it
            self._failure = self._failure or error
        lost = self._spent - self._handed / self._rate
        return Captured(
            round(self._peaks.frames * 1000 / self._rate),
            self._peaks.slices(),
            round(lost * 1000) if lost > _NORMAL_SKEW_SECONDS else 0,
        )

    def _take(self, block: bytes) -> None:
        """Queue a block, in the microphone's thread; no flag reports lost sound, so time it."""
        frames = len(block) // _BYTES_PER_FRAME
        now = self._last_block = _now()
        if self._paused:
            return
        if self._since is None:
            self._since = now - frames / self._rate
        try:
            self._blocks.put_nowait(block)
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


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _reason(error: BaseException) -> str:
    # libsndfile's errors begin with a number.
    said = getattr(error, "error_string", None) or (error.args[0] if error.args else "")
    return str(said) or type(error).__name__
