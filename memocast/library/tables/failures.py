"""Translates errors of SQLite and the file system into LibraryError."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import DamagedLibrary, LibraryError, NoRoom, ReadOnly

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors that SQLite and the file system raise about `path` into LibraryError."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise _library_error(path, error) from error
    except OSError as error:
        raise library_os_error(path, error) from error


def _library_error(path: Path, error: sqlite3.Error) -> LibraryError:
    import sqlite3

    from memocast.library.tables.room import is_full
    from memocast.processes import process_limits

    folder = path.parent
    # The low byte is SQLite's primary result code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    is_vague = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if code == sqlite3.SQLITE_FULL or (is_vague and is_full(folder)):
        return no_room(path)
    missing = _limit_reached() if is_vague else ""
    if missing:
        said, hint = process_limits.sentence(missing)
        return LibraryError(f"the library {folder} cannot be used: {said}", hint=hint)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LibraryError(
            f"the library {folder} is locked by another program",
            hint="wait for that program or stop it, then try again",
        )
    if code == sqlite3.SQLITE_READONLY and not is_writable(path):
        return read_only(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedLibrary(path, str(error))
    return LibraryError(
        f"the library {folder} cannot be used: {error}",
        hint="check its owner and permissions, or name another with --library",
    )


def no_room(path: Path) -> NoRoom:
    """Return the error for the library with the database `path` on a full disk."""
    from memocast.library.tables.room import ENOUGH_BYTES, free_bytes

    hint = "free some space"
    with contextlib.suppress(OSError):
        if free_bytes(path.parent) >= ENOUGH_BYTES:
            hint = "it has room for no more files ('df -i'), or your quota is used up: delete some"
    return NoRoom(
        f"no room for the library {path.parent}: the disk is full",
        hint=f"{hint}; to delete memos: memocast remove MEMO",
    )


def _limit_reached() -> str:
    """Return the letter of `ulimit` for what SQLite lacked, which it does not say; or ''."""
    from memocast.processes import process_limits

    if process_limits.lacks_descriptors():
        return "n"
    return "f" if "f" in process_limits.tight() else ""


def library_os_error(path: Path, error: OSError) -> LibraryError:
    """Return the LibraryError for an `error` about the library's file or folder `path`."""
    from memocast.processes import process_limits

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"no room for {path}: the disk is full", hint="free some space")
    if error.errno == errno.EROFS:
        return read_only(path if error.filename is None else error.filename)
    if limit := process_limits.cause(error):
        return LibraryError(f"the library cannot be used: {limit[0]}", hint=limit[1])
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        place = Path(os.fsdecode(error.filename or path))
        file = next((each for each in (place, *place.parents) if os.path.lexists(each)), place)
        if not file.is_dir():
            return LibraryError(
                f"the library cannot be used: '{file}' is not a folder",
                hint="name a folder with --library DIR or $MEMOCAST_LIBRARY",
            )
    return LibraryError(
        f"the library cannot be used: {error.strerror or error}: {error.filename or path}",
        hint="check the path and its permissions, or name another with --library DIR",
    )


def is_writable(path: Path) -> bool:
    """Return whether a database at `path` could be written: the file, and files beside it."""
    return os.access(path.parent, os.W_OK) and (os.access(path, os.W_OK) or not path.exists())


def read_only(path: object) -> ReadOnly:
    """Return the error for a library whose file or folder `path` cannot be written."""
    return ReadOnly(
        f"the library cannot be changed: the folder is read-only: {path}",
        hint="mount its disk for writing or check its permissions, or name another library"
        " with --library DIR",
    )
