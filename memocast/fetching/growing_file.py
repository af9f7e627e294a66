"""A download as a file that can be read while it grows.

Reading waits for the pieces it needs and requests them before all others. Only verified pieces
are read: they come from libtorrent one by one, since the file on disk may have holes.
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
"""Pieces that are requested at once."""

_KEPT_BYTES = 16 << 20
_ASK_AGAIN_SECONDS = 1.0


class GrowingFile:
    """The bytes of one download. Readers may be in any thread; the fetch adds the pieces.

    `want` is called with the index of a piece that is needed now, even if it is here already.
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
        """Return a file object with its own position."""
        return View(self)

    def arrived(self, index: int, content: bytes) -> None:
        """Add a piece that was read from the download."""
        with self._changed:
            self._pieces[index] = content
            while len(self._pieces) * self.piece_length > max(
                _KEPT_BYTES, 2 * _AHEAD * self.piece_length
            ):
                self._pieces.popitem(last=False)
            self._changed.notify_all()

    def settle(self, path: Path) -> None:
        """Read from this complete file from now on; it may be renamed, but must not change."""
        with self._changed:
            self._whole = path.open("rb")
            self._pieces.clear()
            self._changed.notify_all()

    def end(self) -> None:
        """End the file: no more will come, and all readers get end of file."""
        with self._changed:
            self._ended = True
            if self._whole:
                self._whole.close()
            self._changed.notify_all()

    def read_at(self, position: int, count: int, reader: View) -> bytes:
        """Return up to `count` bytes from `position`, at least one unless it is the end."""
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
        """Wake readers, so that they see whether they are stopped."""
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
    """A file object on a growing file. Missing pieces are requested when they are read."""

    def __init__(self, growing: GrowingFile) -> None:
        super().__init__(growing.size)
        self.size = growing.size
        self._growing = growing
        self.is_stopped = False
        self.allowance: float = math.inf
        """Bytes that may still be read before end of file is returned."""

    def stop(self) -> None:
        """Return end of file to current and later reads."""
        self.is_stopped = True
        self._growing.wake()

    def read_at(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from `position`, at least one unless it is the end."""
        content = self._growing.read_at(position, count, self) if self.allowance > 0 else b""
        self.allowance -= len(content)
        return content
