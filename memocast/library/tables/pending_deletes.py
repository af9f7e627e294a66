"""Files to delete because their rows are gone; an interrupted delete is finished later."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from memocast.errors import Unwritable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from memocast.library.tables.database import Database

_KEY = "removed:"
"""Prefix of a file's path in `state`. A path without a folder is in `memos/`."""


class PendingDeletes:
    """The files of a library that no row refers to. Methods may raise LibraryError."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root

    def add(self, paths: Iterable[Path]) -> None:
        """Delete these files if the caller's transaction is committed."""
        self._database.executemany(
            "INSERT OR IGNORE INTO state VALUES (?, '')", [(self._key(path),) for path in paths]
        )

    def cancel(self, path: Path) -> None:
        """Keep the file after all, because the caller's transaction puts it back."""
        self._database.execute("DELETE FROM state WHERE key = ?", (self._key(path),))

    def finish(self) -> None:
        """Delete the pending files. One that cannot be deleted now is tried again next time.

        Does nothing inside a transaction: the delete must wait until it is committed.
        """
        if self._database.in_transaction or not self._intended():
            return
        # On a full disk the files go now, and their keys next time.
        with contextlib.suppress(Unwritable), self._database.transaction():
            # During this transaction no other process can cancel a delete and put a file there.
            gone = [key for key in self._intended() if self._is_deleted(key)]
            self._database.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in gone])

    def _is_deleted(self, key: str) -> bool:
        """Delete a key's file; return False if that is not possible now."""
        name = key.removeprefix(_KEY)
        try:
            (self._root / (name if "/" in name else f"memos/{name}")).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def _intended(self) -> list[str]:
        rows = self._database.rows(
            "SELECT key FROM state WHERE key BETWEEN ? AND ?", (_KEY, _KEY + "~")
        )
        return [row["key"] for row in rows]

    def _key(self, path: Path) -> str:
        return _KEY + path.relative_to(self._root).as_posix()
