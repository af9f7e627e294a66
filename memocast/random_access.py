"""Random access: a file object over bytes that can be read from any position."""

from __future__ import annotations

import io
import os
from abc import abstractmethod


class RandomAccess(io.RawIOBase):
    """A file of `size` bytes with its own position; `read_at` returns its content."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    @abstractmethod
    def read_at(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from `position`; none only at the end."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another position, not before the beginning, and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer, but at the end of the file; return the number of bytes.

        libsndfile takes a short read for the end: it loses the rest of a frame, or of the file.
        """
        filled = 0
        while filled < len(buffer):
            content = self.read_at(self._position, len(buffer) - filled)
            if not content:
                break
            buffer[filled : filled + len(content)] = content
            filled += len(content)
            self._position += len(content)
        return filled
