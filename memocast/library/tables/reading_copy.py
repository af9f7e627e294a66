"""A copy in memory of a database that cannot be written now: on a full or a read-only disk.

SQLite needs 32 kB on the disk to open a database in WAL mode, even if only to read it. A copy is
taken at one moment, so that nothing that happens to the file later can be read in part.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from memocast.errors import LibraryError
from memocast.files import FileStamp, file_stamp

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

_TRIES = 20
"""How often a copy is begun anew because another process wrote meanwhile."""


def reading_copy(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """Return a connection to a copy in memory of the database at `path`, with its last commit.

    Nothing is written beside it. Raises LibraryError when other processes keep changing it,
    OSError and sqlite3.Error.
    """
    import sqlite3

    log, index = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    if index.exists():
        # Perhaps another process has it open. Then SQLite's locks keep the copy whole.
        with contextlib.suppress(sqlite3.OperationalError):
            return _copied(path, "mode=ro", busy_seconds)
    for _ in range(_TRIES):
        before = _stamps(path, log)
        # Without locks, since those need the index. SQLite then keeps the index in memory, but
        # does so only if there is a log; without one it has to be told that nobody writes.
        alone = "mode=ro&vfs=unix-none" if before[1][0] else "immutable=1"
        try:
            copy = _copied(path, alone, busy_seconds)
        except sqlite3.Error:
            if _stamps(path, log) == before:
                raise
            continue
        if _stamps(path, log) == before:
            return copy
        copy.close()
    raise LibraryError(
        f"the library {path.parent} keeps changing while it is read", hint="try again"
    )


def _copied(path: Path, how: str, busy_seconds: float) -> sqlite3.Connection:
    import sqlite3

    copy = sqlite3.connect(":memory:", isolation_level=None)
    try:
        address = f"{path.absolute().as_uri()}?{how}"
        with contextlib.closing(
            sqlite3.connect(address, uri=True, timeout=busy_seconds, isolation_level=None)
        ) as found:
            if "vfs" in how:
                found.execute("PRAGMA locking_mode = EXCLUSIVE")
            found.backup(copy)
    except BaseException:
        copy.close()
        raise
    return copy


def _stamps(*paths: Path) -> tuple[FileStamp, ...]:
    return tuple(file_stamp(path) for path in paths)
