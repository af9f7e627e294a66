"""The library's SQLite database: opening, migration and transactions.

`docs/formats.md` describes the tables. `PRAGMA user_version` is the version
of the schema; a database with a newer one is left untouched.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from memocast.errors import LibraryError
from memocast.library.tables.failures import translated
from memocast.library.tables.log_index import allocate_index, refuse_without_room
from memocast.library.tables.schema import MIGRATIONS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from memocast.errors import Unwritable

BUSY_SECONDS = 20.0
"""How long a write waits for another process before it fails."""

_FIRST_WITH_KEYS = 3
"""The number of the migration, from 0, after which the database can hold keys."""


class Database:
    """The open database of a library. Errors of SQLite are raised as LibraryError.

    `connection` is for backups and integrity checks, which need SQLite itself.
    """

    def __init__(
        self, path: Path, refusal: Unwritable | None = None, *, alone: bool = False
    ) -> None:
        """Open or create the database at `path` and migrate it forward. Raises LibraryError.

        With a `refusal`, reads a copy of it in memory, and raises the refusal for every change.
        `alone`, no other process can use it until it is closed, and it opens on a full disk.
        """
        import sqlite3

        self.path = path
        self.refusal = refusal
        with self.translated():
            if refusal is None:
                _create(path)
                if not alone:
                    refuse_without_room(path)
                self.connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            else:
                from memocast.library.tables.reading_copy import reading_copy

                self.connection = reading_copy(path, BUSY_SECONDS)
            try:
                self._identity = _identity(path)
                if alone:  # SQLite then keeps the index of the write-ahead log in memory
                    self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._prepare()
                if refusal is None:
                    allocate_index(self.connection, path)
            except BaseException:
                self.connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def empty_log(self) -> None:
        """Move what is in the write-ahead log to the database, and free the log's disk space."""
        import sqlite3

        with contextlib.suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    # -- statements ------------------------------------------------------------------

    def execute(self, statement: str, values: Sequence[object] = ()) -> None:
        """Run one statement that returns nothing."""
        self.refuse_if_unwritable()
        with self.translated():
            self.connection.execute(statement, values)

    def executemany(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run the statement once for each of the values."""
        self.refuse_if_unwritable()
        with self.translated():
            self.connection.executemany(statement, values)

    def row(self, statement: str, values: Sequence[object] = ()) -> Any:
        """Return the first row of the result, a `sqlite3.Row`, or None."""
        with self.translated():
            return self.connection.execute(statement, values).fetchone()

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return all rows of the result."""
        with self.translated():
            return self.connection.execute(statement, values).fetchall()

    def each(self, statement: str, values: Sequence[object] = ()) -> Iterator[sqlite3.Row]:
        """Yield the rows one by one, as SQLite finds them."""
        with self.translated():
            yield from self.connection.execute(statement, values)

    # -- transactions ----------------------------------------------------------------

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all of the block's statements or none; a nested block is part of the outer one.

        Errors of SQLite and the file system in the block are raised as LibraryError.
        """
        self.refuse_if_unwritable()
        with self.translated():
            if self.connection.in_transaction:
                yield
                return
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                self._refuse_if_replaced()
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                self.roll_back()
                raise

    def refuse_if_unwritable(self) -> None:
        """Raise the refusal, if there is one."""
        if self.refusal is not None:
            raise self.refusal

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self.connection.in_transaction

    def roll_back(self) -> None:
        """Roll back a transaction that is still open; SQLite itself does so on a full disk."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that turns OSError and sqlite3.Error into LibraryError."""
        return translated(self.path)

    def _refuse_if_replaced(self) -> None:
        """Raise LibraryError when `doctor --repair` has replaced this database."""
        if _identity(self.path) != self._identity:
            raise LibraryError(
                f"the library's database {self.path} was replaced while this command ran",
                hint="run it again",
            )

    # -- opening ---------------------------------------------------------------------

    def _prepare(self) -> None:
        import sqlite3

        connection = self.connection
        connection.row_factory = sqlite3.Row
        version = self._version()
        if version > len(MIGRATIONS):
            raise LibraryError(
                f"{self.path} was written by a newer memocast (schema {version})",
                hint="upgrade memocast; the library was not touched",
            )
        if self.refusal is not None:  # a copy, which is migrated as well
            self._migrate()
            connection.execute("PRAGMA query_only = ON")
            return
        # Two processes that create one library at the same time both ask for WAL,
        # and SQLite does not wait for its busy timeout there.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            self._retry_while_busy("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # overwrites deleted keys
        if version < len(MIGRATIONS):
            with self.transaction():
                self._migrate()

    def _migrate(self) -> None:
        connection = self.connection
        connection.create_function("searched", 2, searched, deterministic=True)
        for number in range(self._version(), len(MIGRATIONS)):
            if number == _FIRST_WITH_KEYS and self.refusal is None:
                _keep_from_others(self.path)
            for statement in MIGRATIONS[number].split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    def _retry_while_busy(self, statement: str) -> None:
        import sqlite3
        import time

        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self.connection.execute(statement)
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


def _create(path: Path) -> None:
    """Create an empty file at `path` if there is none.

    It will hold the keys of private shares. SQLite gives its other files the same mode.
    """
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _keep_from_others(path: Path) -> None:
    """Keep other users out of a library that was made before libraries held secrets."""
    for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(OSError):
            part.chmod(0o600)
    with contextlib.suppress(OSError):
        path.parent.chmod(0o700)


def _identity(path: Path) -> tuple[int, int]:
    """Return the file's device and inode, which tell it from a later file of the same name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def searched(title: str, description: str) -> str:
    """Return the text that queries search. SQLite itself folds only the case of ASCII."""
    return f"{title}\n{description}".casefold()
