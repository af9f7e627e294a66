"""Removals: files that are to go once their rows have gone, however often that is interrupted."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from memocast.library.tables.database import Database

_KEY = "removed:"
"""Before a file's path in the library, in `state`. One without a folder is in `memos/`."""


class PendingDeletes:
    """The files of a library that nothing refers to any more. Methods may raise LibraryError."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._root = root

    def add(self, paths: Iterable[Path]) -> None:
        """Have these deleted, if the caller's transaction takes effect."""
        self._database.executemany(
            "INSERT OR IGNORE INTO state VALUES (?, '')", [(self._key(path),) for path in paths]
        )

    def cancel(self, path: Path) -> None:
        """Keep the file after all: in the caller's transaction, it is about to be there again."""
        self._database.execute("DELETE FROM state WHERE key = ?", (self._key(path),))

    def finish(self) -> None:
        """Delete what is to go. A file that cannot be deleted now is tried again next time.

        Nothing goes before the transaction that a caller is in has taken effect.
        """
        if self._database.in_transaction or not self._intended():
            return
        with self._database.transaction():
            # While this lasts, nobody can call one off and put a file there.
            for key in self._intended():
                name = key.removeprefix(_KEY)
                with contextlib.suppress(OSError):
                    (self._root / (name if "/" in name else f"memos/{name}")).unlink(
                        missing_ok=True
                    )
                    self._database.execute("DELETE FROM state WHERE key = ?", (key,))

    def _intended(self) -> list[str]:
        rows = self._database.rows(
            "SELECT key FROM state WHERE key BETWEEN ? AND ?", (_KEY, _KEY + "~")
        )
        return [row["key"] for row in rows]

    def _key(self, path: Path) -> str:
        return _KEY + path.relative_to(self._root).as_posix()
