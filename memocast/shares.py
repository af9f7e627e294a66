"""Shares: which memos of a library have a torrent, and how those fared."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast import database
from memocast.errors import MemocastError
from memocast.torrent import Torrent

if TYPE_CHECKING:
    import contextlib
    import sqlite3
    from pathlib import Path

    from memocast.memo import Memo


Stamp = tuple[int, int]
"""A file's size in bytes and its time of modification in nanoseconds; (0, 0) when it is gone."""


@dataclass(frozen=True, slots=True)
class Seedable:
    """A memo with a torrent: its file, and whether that is still the file that was hashed."""

    memo: Memo
    torrent: Torrent
    path: Path
    stamp: Stamp
    intact: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """What a torrent's swarm took so far.

    `uploaded` in bytes; `copies`: how many complete peers were ever seen, and
    `last_copy`: when the last one was, in unix seconds.
    """

    uploaded: int = 0
    copies: int = 0
    last_copy: int | None = None


class Shares:
    """The torrents of a library's memos. Every method may raise LibraryError."""

    def __init__(self, connection: sqlite3.Connection, path: Path, memos: Path) -> None:
        self._database = connection
        self._path = path
        self._memos = memos

    def torrent(self, memo: Memo) -> Torrent | None:
        """The memo's torrent as it was first shared or fetched; None before that."""
        with self._translated():
            row = self._row(memo)
        return _torrent(row) if row else None

    def memo(self, info_hashes: tuple[str, ...]) -> Memo | None:
        """The memo whose torrent has one of these info-hashes, one or two, in hex, if it exists."""
        with self._translated():
            row = self._database.execute(
                "SELECT memo.*, torrent.info_hash, torrent.shared FROM memo"
                " JOIN torrent ON torrent.memo = memo.id"
                " WHERE ? IN (info_hash, second_hash) OR ? IN (info_hash, second_hash)",
                (info_hashes[0], info_hashes[-1]),
            ).fetchone()
        if row is None:
            return None
        memo = database.memo(row)
        return memo if (self._memos / memo.filename).exists() else None

    def share(self, memo: Memo, torrent: Torrent) -> Torrent:
        """Mark the memo shared; of two processes that make its first torrent, one's is kept."""
        with self._translated(), database.transaction(self._database):
            row = self._row(memo)
            if row is not None:
                self._database.execute(
                    "UPDATE torrent SET shared = 1, wanted = ? WHERE memo = ?",
                    (int(time.time()), memo.id),
                )
                return _torrent(row)
            twin = self.owner(torrent)
            if twin:
                raise MemocastError(
                    f"memo {memo.id} makes the same torrent as memo {twin}",
                    hint=f"share that one: memocast share {twin}",
                )
            self.insert(memo.id, torrent, shared=True)
            return torrent

    def insert(self, memo_id: str, torrent: Torrent, *, shared: bool) -> None:
        """Give a memo its torrent, inside a transaction of the caller's."""
        self._database.execute(
            "INSERT INTO torrent"
            " (memo, info_hash, second_hash, content, dn, trackers, shared, wanted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                memo_id,
                torrent.info_hash,
                torrent.second_hash,
                torrent.content,
                torrent.dn,
                "\n".join(torrent.trackers),
                int(shared),
                int(time.time()),
            ),
        )

    def owner(self, torrent: Torrent) -> str | None:
        """The id of the memo that has this torrent; inside the caller's transaction.

        A row whose file is gone is no memo, and gives the info-hash free.
        """
        row = self._database.execute(
            "SELECT id, format FROM memo JOIN torrent ON torrent.memo = memo.id"
            " WHERE info_hash = ?",
            (torrent.info_hash,),
        ).fetchone()
        if row is None:
            return None
        if (self._memos / f"{row['id']}.{row['format']}").exists():
            return str(row["id"])
        self._database.execute("DELETE FROM memo WHERE id = ?", (row["id"],))
        return None

    def seedable(self, *, fetched: bool) -> list[Seedable]:
        """Every shared memo and, with `fetched`, every memo that came by a link; newest first."""
        with self._translated():
            rows = self._database.execute(
                "SELECT memo.*, torrent.* FROM memo JOIN torrent ON torrent.memo = memo.id"
                " WHERE torrent.shared OR (? AND memo.origin = 'fetched')"
                " ORDER BY memo.created DESC, memo.number DESC",
                (fetched,),
            ).fetchall()
            return [self._seedable(row) for row in rows]

    def for_browsers(self, *, fetched: bool, every: bool, limit: int) -> list[Seedable]:
        """Of `seedable`, the `limit` last shared or asked for that a browser could fetch.

        Browsers know no torrents of version 2 only, and meet on WebSocket
        trackers: unless `every` memo has one, only those with one of their own count.
        """
        with self._translated():
            rows = self._database.execute(
                "SELECT memo.*, torrent.* FROM memo JOIN torrent ON torrent.memo = memo.id"
                " WHERE (torrent.shared OR (? AND memo.origin = 'fetched'))"
                " AND length(info_hash) = 40"
                " AND (? OR trackers LIKE '%ws://%' OR trackers LIKE '%wss://%')"
                " ORDER BY wanted DESC, memo.number DESC LIMIT ?",
                (fetched, every, limit),
            ).fetchall()
            return [self._seedable(row) for row in rows]

    def is_intact(self, memo: Memo) -> bool:
        """Whether the audio file is, byte for byte, what the library took in."""
        with self._translated():
            row = self._database.execute("SELECT * FROM memo WHERE id = ?", (memo.id,)).fetchone()
            path = self._memos / memo.filename
            return row is not None and self._is_intact(row, path, stamp(path))

    def tally(self, memo: Memo) -> Tally:
        """How the memo's torrent fared in all runs of the seeder."""
        with self._translated():
            row = self._row(memo)
        return Tally(row["uploaded"], row["copies"], row["last_copy"]) if row else Tally()

    def add_to_tally(self, memo_id: str, uploaded: int, copies: int, seen: int | None) -> None:
        """Count `uploaded` more bytes and `copies` more complete peers, last seen then."""
        with self._translated():
            self._database.execute(
                "UPDATE torrent SET uploaded = uploaded + ?, copies = copies + ?,"
                " last_copy = coalesce(?, last_copy), wanted = ? WHERE memo = ?",
                (uploaded, copies, seen, int(time.time()), memo_id),
            )

    def _row(self, memo: Memo) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._database.execute(
            "SELECT * FROM torrent WHERE memo = ?", (memo.id,)
        ).fetchone()
        return row

    def _seedable(self, row: sqlite3.Row) -> Seedable:
        memo = database.memo(row)
        path = self._memos / memo.filename
        found = stamp(path)
        return Seedable(memo, _torrent(row), path, found, self._is_intact(row, path, found))

    def _is_intact(self, row: sqlite3.Row, path: Path, found: Stamp) -> bool:
        size, mtime = found
        if (size, mtime) == (row["bytes"], row["mtime"]):
            return True
        if size != row["bytes"]:
            return False
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return False
        if digest != row["sha256"]:
            return False
        # Copied or touched: another time, the same content. Hash it only once.
        self._database.execute("UPDATE memo SET mtime = ? WHERE id = ?", (mtime, row["id"]))
        return True

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return database.translated(self._path)


def stamp(path: Path) -> Stamp:
    """The file's Stamp at this moment."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def _torrent(row: sqlite3.Row) -> Torrent:
    return Torrent(
        info_hash=row["info_hash"],
        content=row["content"],
        dn=row["dn"],
        trackers=tuple(row["trackers"].split("\n")) if row["trackers"] else (),
        second_hash=row["second_hash"],
    )
