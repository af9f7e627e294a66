"""Opening a library's database: to change it, to read it where that is all, or to free space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from memocast.errors import NoRoom, Unwritable
from memocast.files import file_stamp
from memocast.library.tables.database import Database
from memocast.library.tables.failures import is_writable, read_only, translated
from memocast.library.tables.folders import FEEDS_FOLDER, SEALED_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.library.backups import Backups
    from memocast.library.reserve import Reserve

Purpose = Literal["change", "read", "free"]
"""What a library is opened for, which matters where it cannot be written.

To "read" it, a copy of its database in memory will do. To "free" space on a full disk, it is opened
in the room that was set aside for that.
"""


def open_database(path: Path, purpose: Purpose, backups: Backups, reserve: Reserve) -> Database:
    """Open the database at `path`, which is created with its library if there is none.

    Raises LibraryError.
    """
    try:
        return _open_to_write(path, backups)
    except Unwritable as error:
        if not file_stamp(path)[0]:  # there is nothing to read or to free
            raise
        if purpose == "free" and isinstance(error, NoRoom):
            return _open_on_full_disk(path, backups, reserve)
        if purpose == "read":
            return Database(path, error)
        raise


def _open_to_write(path: Path, backups: Backups) -> Database:
    root = path.parent
    with translated(path):
        if root.exists() and not is_writable(path):
            raise read_only(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(0o700, exist_ok=True)
        for name in ("memos", SEALED_FOLDER, FEEDS_FOLDER, "incoming", "log"):
            (root / name).mkdir(exist_ok=True)
        backups.refuse_to_begin_anew(root / "memos")
    return Database(path)


def _open_on_full_disk(path: Path, backups: Backups, reserve: Reserve) -> Database:
    if not reserve.give_up():
        return Database(path, alone=True)
    try:
        return _open_to_write(path, backups)
    except NoRoom:
        # The reserve was one file: a disk that can hold no more of them has room for the log, and
        # none for its index.
        return Database(path, alone=True)
    finally:
        reserve.take_back()  # what the database needs in order to be open, it has
