"""Whether a disk takes anything more: it can lack bytes, files (inodes), or what a quota allows."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENOUGH_BYTES = 1 << 20


def free_bytes(folder: Path) -> int:
    """Return how many bytes the disk of that folder has left. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def is_full(folder: Path) -> bool:
    """Return whether a file that is written to that folder now finds no room.

    SQLite says of most such failures no more than that they were some.
    """
    try:
        if free_bytes(folder) < ENOUGH_BYTES:
            return True
        _write(folder)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _write(folder: Path) -> None:
    """Write a file, of which nothing is left: what a quota allows is known no other way."""
    path = folder / f".memocast-{os.urandom(8).hex()}.part"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        path.unlink()
        written = 0
        while written < ENOUGH_BYTES:
            # Random, because a file system may compress zeros.
            written += os.pwrite(descriptor, os.urandom(ENOUGH_BYTES - written), written)
        os.fsync(descriptor)  # over NFS only this says that there was no room
    finally:
        os.close(descriptor)
