"""Random access: a file object over bytes that can be read from any position."""

from __future__ import annotations

import io
import os
from abc import abstractmethod


class RandomAccess(io.RawIOBase):
    """A file of `size` bytes with a position of its own; `read_at` says what is where."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    @abstractmethod
    def read_at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from there; none at the end alone."""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another position, which is not before the beginning."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as `read_at` gives at once."""
        content = self.read_at(self._position, len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
