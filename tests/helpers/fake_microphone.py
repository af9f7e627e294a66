"""A recorder's source that plays samples as fast as they are taken, or in real time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BLOCK_FRAMES = 2_400
RATE = 48_000


class FakeMicrophone:
    """Hands over blocks of int16 while `hungry()`; waits a moment where it is not."""

    name = "tape"
    active = True

    def __init__(self, blocks: Iterable[bytes], hungry: Callable[[int], bool]) -> None:
        self._blocks = blocks
        self._hungry = hungry
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self.handed = 0
        """Frames handed over so far."""
        self.ended = threading.Event()

    def rate(self, _format: str) -> int:
        return RATE

    def start(self, _rate: int, take: Callable[[bytes], None]) -> None:
        self._thread = threading.Thread(target=self._play, args=(take,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread:
            self._thread.join()

    def _play(self, take: Callable[[bytes], None]) -> None:
        for block in self._blocks:
            while not self._hungry(self.handed):
                if self._closed.wait(0.001):
                    return
            if self._closed.is_set():
                return
            take(block)
            self.handed += len(block) // 2
        self.ended.set()


def in_real_time() -> Callable[[int], bool]:
    """A microphone's pace, from now on."""
    begun = time.monotonic()
    return lambda handed: handed / RATE <= time.monotonic() - begun
