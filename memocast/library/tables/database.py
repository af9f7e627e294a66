"""The library's SQLite database: its schema, its migrations, its failures.

`docs/formats.md` describes the tables. `PRAGMA user_version` is the version
of the schema; a database with a newer one is left untouched.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from memocast.errors import LibraryError
from memocast.library.tables.failures import translated
from memocast.library.tables.schema import MIGRATIONS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

BUSY_SECONDS = 20.0
"""How long a write waits for another process before it gives up."""

_FIRST_WITH_KEYS = 3
"""The number of the migration, from 0, after which the database can hold keys."""


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the database at `path` and migrate it forward. Raises LibraryError."""
    import sqlite3

    with translated(path):
        # It holds the keys of private shares. SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

        class Connection(sqlite3.Connection):
            """One that knows which file it has open, whatever its name leads to later."""

            path: Path
            identity: tuple[int, int]

        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, factory=Connection
        )
        try:
            connection.path, connection.identity = path, _identity(path)
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    import sqlite3

    connection.row_factory = sqlite3.Row
    version = _version(connection)
    if version > len(MIGRATIONS):
        raise LibraryError(
            f"{path} was written by a newer memocast (schema {version})",
            hint="upgrade memocast; the library was not touched",
        )
    # Two processes that create one library at the same time both ask for WAL,
    # and SQLite does not wait for its busy timeout there.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _retry_while_busy(connection, "PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # a key that is forgotten is overwritten
    if version < len(MIGRATIONS):
        with transaction(connection):
            connection.create_function("searched", 2, searched, deterministic=True)
            for number in range(_version(connection), len(MIGRATIONS)):
                if number == _FIRST_WITH_KEYS:
                    _keep_from_others(path)
                for statement in MIGRATIONS[number].split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number + 1}")


def _keep_from_others(path: Path) -> None:
    """Take a library that is older than its secrets out of other users' reach."""
    for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with contextlib.suppress(OSError):
            part.chmod(0o600)
    with contextlib.suppress(OSError):
        path.parent.chmod(0o700)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _retry_while_busy(connection: sqlite3.Connection, statement: str) -> None:
    import sqlite3
    import time

    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block's statements take effect, or none; within another, with the other's."""
    if connection.in_transaction:
        yield
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        _refuse_if_replaced(connection)
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """End a transaction that is still open; a full disk has already rolled it back."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _refuse_if_replaced(connection: sqlite3.Connection) -> None:
    """Raises LibraryError when `doctor --repair` has put another database in this one's place."""
    opened: Any = connection  # by `connect`
    path: Path = opened.path
    if _identity(path) != opened.identity:
        raise LibraryError(
            f"the library's database {path} was replaced while this command ran",
            hint="run it again",
        )


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def searched(title: str, description: str) -> str:
    """What a query is looked for in. SQLite itself has no notion of case beyond ASCII."""
    return f"{title}\n{description}".casefold()
