"""Growing: a download as a file that can be read from its first moment.

Reading waits for the pieces it needs, which then come before all others. What is read was
verified: it comes from libtorrent piece by piece, since the file on the disk may have holes.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import OrderedDict
from typing import IO, TYPE_CHECKING

from memocast.random_access import RandomAccess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_AHEAD = 4
"""Pieces that are asked for at once."""

_KEPT_BYTES = 16 << 20
_ASK_AGAIN_SECONDS = 1.0


class GrowingFile:
    """One download's bytes. Readers are in any thread; the fetch says what has arrived.

    `want` is called with a piece that is needed now, which may be here already.
    """

    def __init__(self, size: int, piece_length: int, want: Callable[[int], None]) -> None:
        self.size = size
        self.piece_length = piece_length
        self._want = want
        self._changed = threading.Condition()
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._asked: dict[int, float] = {}
        self._whole: IO[bytes] | None = None
        self._ended = False

    def open(self) -> View:
        """A file object with a position of its own."""
        return View(self)

    def arrived(self, index: int, content: bytes) -> None:
        """This piece was read from the download."""
        with self._changed:
            self._pieces[index] = content
            while len(self._pieces) * self.piece_length > max(
                _KEPT_BYTES, 2 * _AHEAD * self.piece_length
            ):
                self._pieces.popitem(last=False)
            self._changed.notify_all()

    def settle(self, path: Path) -> None:
        """All of it is in this file, which may be renamed but stays what it is."""
        with self._changed:
            self._whole = path.open("rb")
            self._pieces.clear()
            self._changed.notify_all()

    def end(self) -> None:
        """No more is to come: whoever reads finds the end of the file."""
        with self._changed:
            self._ended = True
            if self._whole:
                self._whole.close()
            self._changed.notify_all()

    def read_at(self, position: int, count: int, reader: View) -> bytes:
        """Up to `count` bytes from there, at least one unless it is the end."""
        if position >= self.size:
            return b""
        index, offset = divmod(position, self.piece_length)
        with self._changed:
            while not (self._ended or reader.is_stopped):
                if self._whole:
                    return os.pread(self._whole.fileno(), count, position)
                if (piece := self._pieces.get(index)) is not None:
                    return piece[offset : offset + count]
                self._ask(index)
                self._changed.wait(_ASK_AGAIN_SECONDS)
        return b""

    def wake(self) -> None:
        """Have readers look whether they are to go on."""
        with self._changed:
            self._changed.notify_all()

    def _ask(self, first: int) -> None:
        moment = time.monotonic()
        last = (self.size - 1) // self.piece_length
        for index in range(first, min(first + _AHEAD, last + 1)):
            if index not in self._pieces and moment > self._asked.get(index, 0.0):
                self._asked[index] = moment + _ASK_AGAIN_SECONDS
                self._want(index)


class View(RandomAccess):
    """A position in a growing file. What comes after holes is asked for when it is read."""

    def __init__(self, growing: GrowingFile) -> None:
        super().__init__(growing.size)
        self._growing = growing
        self.is_stopped = False
        self.allowance: float = math.inf
        """Bytes that may still be read; then it is as if the file had ended."""

    def stop(self) -> None:
        """Whoever reads here, or waits to, finds the end."""
        self.is_stopped = True
        self._growing.wake()

    def read_at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from there, at least one unless it is the end."""
        content = self._growing.read_at(position, count, self) if self.allowance > 0 else b""
        self.allowance -= len(content)
        return content
