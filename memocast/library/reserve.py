"""Disk space set aside, for when the disk is full: deleting takes some before it frees any."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BYTES = 1 << 20
"""SQLite takes 32 kB to open the database, and to delete a memo it writes each page that held it,
with its shares and the index of its words: 150 kB, or a few times as much."""

_LEAST_BYTES = 1 << 18
_STEP_BYTES = 1 << 14

_SHARE = 12
"""At first it takes at most one part in so many of the free space."""


class Reserve:
    """A file that holds nothing of use; deleting it makes room on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._given_up = 0

    def make(self) -> None:
        """Create or enlarge it, if there is plenty of room."""
        self._make(_BYTES, _SHARE)

    def give_up(self) -> bool:
        """Delete it, to use the room now; return False if there was none."""
        try:
            size = self._path.stat().st_size
            self._path.unlink()
        except OSError:
            return False
        self._given_up = max(size, self._given_up)
        return True

    def take_back(self) -> None:
        """Create it again if this process gave it up, from all the room that there is."""
        if self._given_up:
            self._make(self._given_up, 1)

    def _make(self, most: int, share: int) -> None:
        with contextlib.suppress(OSError):
            there = self._path.stat().st_size if self._path.exists() else 0
            if there >= most:
                return
            room = (shutil.disk_usage(self._path.parent).free + there) // share
            size = min(most, _BYTES, room - room % _STEP_BYTES)
            if size > max(there, _LEAST_BYTES - 1):
                try:
                    set_aside(self._path, size - there)
                except OSError as error:
                    # A full disk gives what it has; take nothing of what a quota leaves.
                    if error.errno != errno.ENOSPC:
                        self._shrink(there)

    def _shrink(self, size: int) -> None:
        if size:
            os.truncate(self._path, size)
        else:
            self._path.unlink()


def set_aside(path: Path, size: int) -> None:
    """Append so many bytes that the file takes on the disk. Raises OSError.

    They are random: a file system may compress zeros, or store equal blocks once.
    """
    with open(path, "ab", opener=_open) as file:
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
