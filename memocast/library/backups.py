"""Copies of the library's database, renewed while it is in use.

`1.db` is the newest; it is rotated to `2.db` at most once an hour, and that to
`3.db` at most once a day. Each is a whole database in one file, checked before
it replaces the previous one: a damaged copy never replaces a sound one.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from memocast.errors import DamagedLibrary
from memocast.files import locked

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

NUMBERS = (1, 2, 3)
"""The numbers of the copies, newest first."""

_ROTATION = ((3, 24 * 3600.0), (2, 3600.0))
"""Each older copy, and the age in seconds at which a newer one replaces it."""

_SMALL = 1_000_000
"""Bytes. A copy of up to this size takes milliseconds, and is renewed after every change.

A larger one is made by a background process.
"""

_BYTES_PER_SECOND = 100_000
"""A larger copy waits a second for each 100 kB, so that copying takes below 1 % of the time."""

_LAG_SECONDS = 1.0
"""SQLite writes its file again when the last process closes it, right after the copy."""


class Backups:
    """The folder of copies of one database."""

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def copy(self, number: int) -> Path:
        """Return the path of that copy, whether it exists or not."""
        return self._folder / f"{number}.db"

    def refuse_to_begin_anew(self, audio_folder: Path) -> None:
        """Raise DamagedLibrary when there is no database beside audio files or copies of it.

        That library is not new: it has lost its database.
        """
        # In this order: the database is made before any memo's file.
        with os.scandir(audio_folder) as files:
            holds_audio = next(files, None) is not None
        if self._database.exists() and self._database.stat().st_size:
            return
        if holds_audio:
            raise DamagedLibrary(self._database, "it is gone, but its audio files are here")
        if any(self.copy(number).exists() for number in NUMBERS):
            raise DamagedLibrary(self._database, "it is gone, but a copy of it is here")

    def check(self, connection: sqlite3.Connection) -> None:
        """Raise DamagedLibrary when SQLite's own check finds a fault."""
        if found := problem(connection):
            raise DamagedLibrary(self._database, found)

    def back_up(self, connection: sqlite3.Connection) -> None:
        """Copy the open database if it has changed and the last copy is old enough.

        Raises DamagedLibrary when it fails SQLite's own check, OSError and
        sqlite3.Error when there is no room.
        """
        if not self._is_due(connection):
            return
        self._folder.mkdir(exist_ok=True)
        with locked(self._folder / ".lock", wait=0) as alone:
            # Another process that holds the lock makes the same copy.
            if alone and self._is_due(connection):
                for leftover in self._folder.glob("*.part*"):  # of a process that was killed
                    leftover.unlink(missing_ok=True)
                self._replace_newest(connection)

    def takes_long(self, connection: sqlite3.Connection) -> bool:
        """Return whether a copy is due that takes too long to wait for at a terminal.

        After a failed copy it returns False: the user should hear of it before more is lost.
        """
        return (
            self._database.stat().st_size > _SMALL
            and not self._failed.exists()
            and self._is_due(connection)
        )

    def newest(self, version: int) -> Path | None:
        """Return the newest intact copy with a schema up to `version`, or None."""
        import sqlite3

        for number in NUMBERS:
            path = self.copy(number)
            if not path.exists():
                continue
            with contextlib.suppress(sqlite3.Error), contextlib.closing(_open(path)) as found:
                its_version = int(found.execute("PRAGMA user_version").fetchone()[0])
                if not problem(found) and 0 < its_version <= version:
                    return path
        return None

    def _is_due(self, connection: sqlite3.Connection) -> bool:
        # Opening the database makes an empty write-ahead log.
        wal = self._wal if self._wal.exists() and self._wal.stat().st_size else self._database
        changed = max(_changed(self._database), _changed(wal))
        newest = self.copy(1)
        copied = _changed(newest)
        if not copied:
            return True
        moment = time.time()
        # A copy dated in the future was made before the clock was set back.
        if changed <= copied + (0 if connection.total_changes else _LAG_SECONDS) <= moment + 1:
            return False
        age = abs(moment - copied)
        return newest.stat().st_size <= _SMALL + age * _BYTES_PER_SECOND

    @property
    def _failed(self) -> Path:
        """A file that exists when the last check found damage."""
        return self._folder / ".failed"

    @property
    def _wal(self) -> Path:
        return self._database.with_name(f"{self._database.name}-wal")

    def _replace_newest(self, connection: sqlite3.Connection) -> None:
        partial = self._folder / f"{os.getpid()}.part"
        try:
            moment = time.time()
            partial.touch(0o600)
            with contextlib.closing(_open(partial)) as target:
                # Without a file for the index of its log, which a full disk could not hold.
                target.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.backup(target)
                # One file, without a write-ahead log beside it; SQLite leaves it on disk.
                target.execute("PRAGMA journal_mode = DELETE")
                found = problem(target)
            if found:
                self._failed.touch()
                raise DamagedLibrary(self._database, found)
            self._failed.unlink(missing_ok=True)
            os.utime(partial, (moment, moment))  # later commits are not in it
            self._rotate()
            partial.replace(self.copy(1))
        finally:
            partial.unlink(missing_ok=True)

    def _rotate(self) -> None:
        for number, seconds in _ROTATION:
            older, younger = self.copy(number), self.copy(number - 1)
            if younger.exists() and abs(time.time() - _changed(older)) > seconds:
                younger.replace(older)


def problem(connection: sqlite3.Connection) -> str:
    """Return the fault that SQLite's own check finds in an open database; empty if none."""
    found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    return "" if found == "ok" else found.removeprefix("*** in database main ***\n")


def _open(path: Path) -> sqlite3.Connection:
    import sqlite3

    return sqlite3.connect(path, isolation_level=None)


def _changed(path: Path) -> float:
    """Return when the file was last written, in unix seconds; 0 when it does not exist."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
