"""Backups: copies of the library's database, renewed while it is in use.

`1.db` is the newest; an older one takes the place of `2.db` at most once an
hour, and of `3.db` at most once a day. Each is a whole database in one file,
checked before it replaces the one before it: damage is never copied over what
is sound.
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
"""Of the copies, the newest first."""

_ROTATION = ((3, 24 * 3600.0), (2, 3600.0))
"""Each older copy, and the age in seconds from which a younger one takes its place."""

_SMALL = 1_000_000
"""Bytes. A copy of up to this size takes milliseconds, and is renewed after every change.

A larger one is left to a process that nobody waits for.
"""

_BYTES_PER_SECOND = 100_000
"""A larger one waits a second for each 100 kB: copying stays below 1 % of the time."""

_LAG_SECONDS = 1.0
"""SQLite writes its file once more when the last process closes it, right after the copy."""


class Backups:
    """The folder of copies of one database."""

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def copy(self, number: int) -> Path:
        """Where that copy is, or would be."""
        return self._folder / f"{number}.db"

    def refuse_to_begin_anew(self, audio_folder: Path) -> None:
        """No database beside audio files, or copies of it, is a loss and not a beginning.

        Raises DamagedLibrary.
        """
        # In this order: a memo's file is there only after the database was.
        with os.scandir(audio_folder) as files:
            holds_audio = next(files, None) is not None
        if self._database.exists() and self._database.stat().st_size:
            return
        if holds_audio:
            raise DamagedLibrary(self._database, "it is gone, but its audio files are here")
        if any(self.copy(number).exists() for number in NUMBERS):
            raise DamagedLibrary(self._database, "it is gone, but a copy of it is here")

    def check(self, connection: sqlite3.Connection) -> None:
        """Raises DamagedLibrary when SQLite's own check finds something wrong with it."""
        if found := problem(connection):
            raise DamagedLibrary(self._database, found)

    def back_up(self, connection: sqlite3.Connection) -> None:
        """Copy the open database when it has changed, and the last copy is not too young.

        Raises DamagedLibrary when it fails SQLite's own check, OSError and
        sqlite3.Error when there is no room.
        """
        if not self._is_due(connection):
            return
        self._folder.mkdir(exist_ok=True)
        with locked(self._folder / ".lock", wait=0) as alone:
            # Another process that has just asked for it makes the same copy.
            if alone and self._is_due(connection):
                for leftover in self._folder.glob("*.part*"):  # of a process that was killed
                    leftover.unlink(missing_ok=True)
                self._replace_newest(connection)

    def takes_long(self, connection: sqlite3.Connection) -> bool:
        """Whether a copy is due that somebody at a terminal should not have to wait for.

        After one that failed they do: they are to be told, before there is more to lose.
        """
        return (
            self._database.stat().st_size > _SMALL
            and not self._failed.exists()
            and self._is_due(connection)
        )

    def newest(self, version: int) -> Path | None:
        """The newest copy that is whole and of a schema up to `version`."""
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
        # A copy from the future is one from before the clock was set back.
        if changed <= copied + (0 if connection.total_changes else _LAG_SECONDS) <= moment + 1:
            return False
        age = abs(moment - copied)
        return newest.stat().st_size <= _SMALL + age * _BYTES_PER_SECOND

    @property
    def _failed(self) -> Path:
        """There when the last check found damage."""
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
                connection.backup(target)
                # In one file, without a write-ahead log beside it.
                target.execute("PRAGMA journal_mode = DELETE")
                found = problem(target)
            if found:
                self._failed.touch()
                raise DamagedLibrary(self._database, found)
            self._failed.unlink(missing_ok=True)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            os.utime(partial, (moment, moment))  # what was committed since is not in it
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
    """What SQLite's own check finds wrong with an open database; empty when nothing is."""
    found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    return "" if found == "ok" else found.removeprefix("*** in database main ***\n")


def _open(path: Path) -> sqlite3.Connection:
    import sqlite3

    return sqlite3.connect(path, isolation_level=None)


def _changed(path: Path) -> float:
    """When the file was last written, in unix seconds; 0 when it is not there."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
