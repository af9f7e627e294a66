"""The index of SQLite's write-ahead log: a file beside the database, mapped into memory.

SQLite makes it when the first process opens the database, and writes a byte into each of its
pages, so that none has to be allocated later. That is not enough on a file system whose blocks are
smaller than a page, as ext4's are on a small disk: once that is full, SIGBUS ends the process.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from memocast.files import file_stamp
from memocast.library.tables.failures import no_room

if TYPE_CHECKING:
    from pathlib import Path

_BYTES = 1 << 15

_PAGE_BYTES = 1 << 12

_ROOM_BYTES = 2 * _BYTES
"""With this much free, it is not the index that fills the disk."""


def _index(database: Path) -> Path:
    return database.with_name(f"{database.name}-shm")


def refuse_without_room(database: Path) -> None:
    """Raise NoRoom if there is no room for an index. SQLite would leave a part of it behind."""
    import shutil

    if file_stamp(_index(database))[0] >= _BYTES or not database.exists():
        return
    if shutil.disk_usage(database.parent).free < _ROOM_BYTES:
        raise no_room(database)


def allocate_index(database: Path) -> None:
    """Allocate all of the index of the database that this process has opened. Raises OSError.

    Uses SQLite's own descriptor: if another one were closed, SQLite would lose its locks.
    """
    if os.statvfs(database.parent).f_frsize >= _PAGE_BYTES or not hasattr(os, "posix_fallocate"):
        return
    path = os.path.realpath(_index(database))
    try:
        descriptors = os.listdir("/proc/self/fd")  # noqa: PTH208 - Paths are not needed
    except OSError:  # not Linux
        return
    for name in descriptors:
        try:
            is_index = os.readlink(f"/proc/self/fd/{name}") == path  # noqa: PTH115
        except OSError:  # that of the listing, closed by now
            continue
        if is_index:
            os.posix_fallocate(int(name), 0, _BYTES)
