"""Seedables: which files a library offers to others, as little of each as a seeder must keep.

There may be a hundred thousand. What is needed of one only once, its torrent, is read then.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.files import FileStamp, file_hash, file_stamp
from memocast.formats import torrent
from memocast.library.tables.folders import FEEDS_FOLDER, SEALED_FOLDER

if TYPE_CHECKING:
    import sqlite3

    from memocast.formats.memo import Memo
    from memocast.formats.share import Mode, Share
    from memocast.library.tables.database import Database


_COLUMNS = """
    memo.id, memo.format, memo.bytes, memo.mtime, memo.sha256, torrent.info_hash,
    torrent.second_hash, torrent.mode, torrent.lan, torrent.trackers, torrent.bytes AS age_bytes,
    torrent.mtime AS age_mtime, torrent.sha256 AS age_sha256
"""
_FROM = " FROM torrent JOIN memo ON memo.id = torrent.memo"
_OFFERED = "(torrent.shared OR paired OR (? AND arrived AND NOT stopped))"
"""With whether what came by a link counts."""

_PAGES = """
    SELECT info_hash, content, bytes, mtime, trackers FROM page
    JOIN channel ON channel.number = page.channel WHERE
"""
_PUBLISHED = "(secret != x'' OR ?)"
"""With whether what others publish counts."""

_MET_BY_BROWSERS = "trackers LIKE '%ws://%' OR trackers LIKE '%wss://%'"
_NEWEST_FIRST = " ORDER BY memo.created DESC, memo.number DESC, torrent.number"


@dataclass(frozen=True, slots=True)
class Seedable:
    """A share of a memo: its file, sealed or not, and whether that is still what was hashed.

    `file` is the path of the audio or the age file, `size` what it had in bytes when it was
    hashed. `trackers` are those of the link it came by. A page of a channel's feed is one too,
    of no `memo`.
    """

    memo: str
    info_hash: str
    second_hash: str | None
    mode: Mode
    lan: bool
    trackers: tuple[str, ...]
    file: str
    size: int
    stamp: FileStamp
    intact: bool


@dataclass(frozen=True, slots=True)
class UploadTotals:
    """What a torrent's swarm took so far.

    `uploaded` in bytes; `copies`: how many complete peers were ever seen, and
    `last_copy`: when the last one was, in unix seconds.
    """

    uploaded: int = 0
    copies: int = 0
    last_copy: int | None = None


class Seedables:
    """The shares of a library that are offered. Every method may raise LibraryError."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._memos = root / "memos"
        self._sealed = root / SEALED_FOLDER
        self._feeds = root / FEEDS_FOLDER

    def all(self, *, fetched: bool) -> list[Seedable]:
        """Every share and, with `fetched`, every memo that came by a link; newest first."""
        return self._found(_OFFERED + _NEWEST_FIRST, fetched)

    def with_tallies(self, *, fetched: bool) -> list[tuple[Seedable, str, UploadTotals]]:
        """The same, each with its memo's title and how it fared in all runs of the seeder."""
        with self._database.translated():
            rows = self._database.rows(
                f"SELECT {_COLUMNS}, title, uploaded, copies, last_copy"
                f"{_FROM} WHERE {_OFFERED}{_NEWEST_FIRST}",
                (fetched,),
            )
            return [
                (
                    self._seedable(row),
                    row["title"],
                    UploadTotals(row["uploaded"], row["copies"], row["last_copy"]),
                )
                for row in rows
            ]

    def pages(self, *, fetched: bool) -> list[Seedable]:
        """The pages of the user's own channels and, with `fetched`, of those that are followed."""
        return self._pages(_PUBLISHED, fetched)

    def pages_for_browsers(
        self, *, fetched: bool, every: bool, newest: bool, limit: int
    ) -> list[Seedable]:
        """Of `pages`, the channels' newest or only older ones, those of own channels first.

        Unless `every` page has a WebSocket tracker, only those with one of their own count.
        """
        return self._pages(
            f"{_PUBLISHED} AND (? OR {_MET_BY_BROWSERS}) AND (info_hash = head) = ?"
            " ORDER BY secret != x'' DESC, page.rowid DESC LIMIT ?",
            fetched,
            every,
            newest,
            limit,
        )

    def _pages(self, condition: str, *values: object) -> list[Seedable]:
        with self._database.translated():
            rows = self._database.rows(_PAGES + condition, values)
            return [self._page(row) for row in rows]

    def _page(self, row: sqlite3.Row) -> Seedable:
        file = f"{self._feeds}/{row['info_hash']}"
        found = file_stamp(file)
        known = (row["bytes"], row["mtime"])
        same = found == known or (
            found[0] == known[0] and torrent.holds(row["content"], Path(file))
        )
        trackers = tuple(row["trackers"].split("\n")) if row["trackers"] else ()
        return Seedable(
            memo="",
            info_hash=row["info_hash"],
            second_hash=None,
            mode="public",
            lan=False,
            trackers=trackers,
            file=file,
            size=row["bytes"],
            stamp=found,
            intact=same,
        )

    def for_browsers(self, *, fetched: bool, every: bool, limit: int) -> list[Seedable]:
        """Of `all`, the `limit` last shared or asked for that a browser could fetch.

        Browsers know no torrents of version 2 only, and meet on WebSocket
        trackers: unless `every` memo has one, only those with one of their own count.
        """
        return self._found(
            f"{_OFFERED} AND NOT lan AND NOT paired AND length(info_hash) = 40"
            f" AND (? OR {_MET_BY_BROWSERS})"
            " ORDER BY wanted DESC, memo.number DESC LIMIT ?",
            fetched,
            every,
            limit,
        )

    def content(self, found: Seedable) -> bytes | None:
        """Its torrent, as a .torrent file without trackers; None when it was just removed."""
        row = self._database.row(
            "SELECT content FROM torrent WHERE info_hash = ?"
            " UNION ALL SELECT content FROM page WHERE info_hash = ?",
            (found.info_hash, found.info_hash),
        )
        return bytes(row["content"]) if row else None

    def answers(self, share: Share) -> bool:
        """Whether the file that the share offers, sealed or not, is the one that was hashed."""
        return all(found.intact for found in self._found("info_hash = ?", share.info_hash))

    def is_intact(self, memo: Memo) -> bool:
        """Whether the audio file is, byte for byte, what the library took in."""
        with self._database.translated():
            row = self._database.row(
                "SELECT id, bytes, mtime, sha256 FROM memo WHERE id = ?", (memo.id,)
            )
            path = self._memos / memo.filename
            return row is not None and self._is_intact(row, "", path, file_stamp(path))

    def _found(self, condition: str, *values: object) -> list[Seedable]:
        with self._database.translated():
            query = f"SELECT {_COLUMNS}{_FROM} WHERE {condition}"
            rows = self._database.rows(query, values)
            return [self._seedable(row) for row in rows]

    def _seedable(self, row: sqlite3.Row) -> Seedable:
        sealed = row["mode"] != "public"
        kind = "age_" if sealed else ""
        file = (
            f"{self._sealed}/{row['info_hash']}.age"
            if sealed
            else f"{self._memos}/{row['id']}.{row['format']}"
        )
        found = file_stamp(file)
        return Seedable(
            memo=row["id"],
            info_hash=row["info_hash"],
            second_hash=row["second_hash"],
            mode=row["mode"],
            lan=bool(row["lan"]),
            trackers=tuple(row["trackers"].split("\n")) if row["trackers"] else (),
            file=file,
            size=row[f"{kind}bytes"],
            stamp=found,
            intact=self._is_intact(row, kind, file, found),
        )

    def _is_intact(self, row: sqlite3.Row, kind: str, path: Path | str, found: FileStamp) -> bool:
        """Whether a file is what was kept: its size, time and hashes, those of `kind`."""
        size, mtime = found
        if (size, mtime) == (row[f"{kind}bytes"], row[f"{kind}mtime"]):
            return True
        if size != row[f"{kind}bytes"]:
            return False
        try:
            if not self._holds_the_same(row, kind, Path(path)):
                return False
        except OSError:
            return False
        # Copied or touched: another time, the same content. Hash it only once.
        if kind:
            update, key = "UPDATE torrent SET mtime = ? WHERE info_hash = ?", row["info_hash"]
        else:
            update, key = "UPDATE memo SET mtime = ? WHERE id = ?", row["id"]
        self._database.execute(update, (mtime, key))
        return True

    def _holds_the_same(self, row: sqlite3.Row, kind: str, path: Path) -> bool:
        if row[f"{kind}sha256"]:
            return file_hash(path) == bytes(row[f"{kind}sha256"])
        # It came by a link, and its torrent's own hashes are all there is to know.
        arrived = self._database.row(
            "SELECT content FROM torrent JOIN memo ON memo.id = torrent.memo"
            " WHERE memo.id = ? AND arrived AND mode = 'public'",
            (row["id"],),
        )
        return arrived is not None and torrent.holds(arrived["content"], path)
