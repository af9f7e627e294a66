"""The index of SQLite's write-ahead log: a file beside the database, mapped into memory.

SQLite makes it when the first process opens the database, and writes a byte into each of its
pages, so that none has to be allocated later. That is not enough on a file system whose blocks are
smaller than a page, as ext4's are on a small disk: once that is full, SIGBUS ends the process.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from memocast.files import file_stamp
from memocast.library.tables.failures import no_room

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_BYTES = 1 << 15

_PAGE_BYTES = 1 << 12

_ROOM_BYTES = 2 * _BYTES
"""With this much free, it is not the index that fills the disk."""


def _index(database: Path) -> Path:
    return database.with_name(f"{database.name}-shm")


def refuse_without_room(database: Path) -> None:
    """Raise NoRoom if there is no room for a log and its index.

    SQLite would leave a part of them behind.
    """
    if not database.exists():
        return
    folder, log = database.parent, database.with_name(f"{database.name}-wal")
    missing = sum(not path.exists() for path in (_index(database), log))
    disk = os.statvfs(folder)
    is_short = disk.f_bavail * disk.f_frsize < _ROOM_BYTES
    lacks_bytes = is_short and file_stamp(_index(database))[0] < _BYTES
    # A disk that makes inodes when it needs them says that it has none at all, as btrfs does.
    lacks_files = disk.f_files > 0 and disk.f_favail < missing
    if lacks_bytes or lacks_files:
        raise no_room(database)


def allocate_index(connection: sqlite3.Connection, database: Path) -> None:
    """Have the disk give all of the index of the database that is open here.

    Raises OSError, and sqlite3.Error while another process writes for too long.
    """
    if os.statvfs(database.parent).f_frsize >= _PAGE_BYTES:
        return
    # SQLite's own descriptor: if another one were closed, SQLite would lose its locks.
    for descriptor in _descriptors(os.path.realpath(_index(database))):
        # Only the one process that may write changes what comes after the first page, which
        # SQLite has written. Setting blocks aside (fallocate) is not enough: ext4 may need
        # another one to note that they are in use.
        connection.execute("BEGIN IMMEDIATE")
        try:
            content = os.pread(descriptor, _BYTES - _PAGE_BYTES, _PAGE_BYTES)
            os.pwrite(descriptor, content, _PAGE_BYTES)
        finally:
            connection.execute("ROLLBACK")


def _descriptors(path: str) -> list[int]:
    """Return this process's descriptors of the file; none where the system does not tell."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - Paths are not needed
            with contextlib.suppress(OSError):  # that of the listing itself
                if os.readlink(f"/proc/self/fd/{name}") == path:  # noqa: PTH115
                    found.append(int(name))
    return found
