"""The files that a library can seed, with only the fields that a seeder must keep in memory.

There may be a hundred thousand. Torrents, which are needed only once, are read on demand.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import Unwritable
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
    torrent.second_hash, torrent.mode, torrent.lan, torrent.trackers, torrent.public_only,
    torrent.bytes AS age_bytes, torrent.mtime AS age_mtime, torrent.sha256 AS age_sha256
"""
_FROM = " FROM torrent JOIN memo ON memo.id = torrent.memo"
_SEEDED = "(torrent.shared OR paired OR (? AND arrived AND NOT stopped))"
"""Takes one value: whether memos that came by a link count."""

_PAGES = """
    SELECT info_hash, content, bytes, mtime, trackers FROM page
    JOIN channel ON channel.number = page.channel WHERE
"""
_PUBLISHED = "(secret != x'' OR ?)"
"""Takes one value: whether followed channels count."""

_MET_BY_BROWSERS = "trackers LIKE '%ws://%' OR trackers LIKE '%wss://%'"
_NEWEST_FIRST = " ORDER BY memo.created DESC, memo.number DESC, torrent.number"


@dataclass(frozen=True, slots=True)
class Seedable:
    """A file to seed, for a share of a memo or a page of a channel's feed.

    `file` is the path of the audio or the age file, `size` its bytes when it was hashed, and
    `intact` whether it is still the same. `trackers` are those of the link it came by, asked at
    public addresses only if `public_only`. For a feed page, `memo` is empty.
    """

    memo: str
    info_hash: str
    second_hash: str | None
    mode: Mode
    lan: bool
    trackers: tuple[str, ...]
    public_only: bool
    file: str
    size: int
    stamp: FileStamp
    intact: bool


@dataclass(frozen=True, slots=True)
class UploadTotals:
    """The uploads of a torrent in all runs of the seeder.

    `uploaded` is in bytes, `copies` the number of complete peers ever seen, and
    `last_copy` the time of the last one, in unix seconds.
    """

    uploaded: int = 0
    copies: int = 0
    last_copy: int | None = None


class Seedables:
    """The files that a library can seed. Every method may raise LibraryError."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._memos = root / "memos"
        self._sealed = root / SEALED_FOLDER
        self._feeds = root / FEEDS_FOLDER

    def all(self, *, fetched: bool) -> list[Seedable]:
        """Return all shares and, with `fetched`, all memos that came by a link; newest first."""
        return self._found(_SEEDED + _NEWEST_FIRST, fetched)

    def with_tallies(self, *, fetched: bool) -> list[tuple[Seedable, str, UploadTotals]]:
        """Return the same, each with its memo's title and upload totals."""
        with self._database.translated():
            rows = self._database.rows(
                f"SELECT {_COLUMNS}, title, uploaded, copies, last_copy"
                f"{_FROM} WHERE {_SEEDED}{_NEWEST_FIRST}",
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
        """Return the pages of the user's own channels and, with `fetched`, of followed ones."""
        return self._pages(_PUBLISHED, fetched)

    def pages_for_browsers(
        self, *, fetched: bool, every: bool, newest: bool, limit: int
    ) -> list[Seedable]:
        """Return the channels' newest or only their older pages, those of own channels first.

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
            public_only=False,
            file=file,
            size=row["bytes"],
            stamp=found,
            intact=same,
        )

    def for_browsers(self, *, fetched: bool, every: bool, limit: int) -> list[Seedable]:
        """Return the `limit` files last shared or requested that a browser could fetch.

        Browsers cannot fetch v2-only torrents, and find peers through WebSocket
        trackers: unless `every` memo has one, only those with one of their own count.
        """
        return self._found(
            f"{_SEEDED} AND NOT lan AND NOT paired AND length(info_hash) = 40"
            f" AND (? OR {_MET_BY_BROWSERS})"
            " ORDER BY wanted DESC, memo.number DESC LIMIT ?",
            fetched,
            every,
            limit,
        )

    def content(self, found: Seedable) -> bytes | None:
        """Return its .torrent file, without trackers; None when it was just removed."""
        row = self._database.row(
            "SELECT content FROM torrent WHERE info_hash = ?"
            " UNION ALL SELECT content FROM page WHERE info_hash = ?",
            (found.info_hash, found.info_hash),
        )
        return bytes(row["content"]) if row else None

    def answers(self, share: Share) -> bool:
        """Return whether the share's file, sealed or not, is still the one that was hashed."""
        return all(found.intact for found in self._found("info_hash = ?", share.info_hash))

    def is_intact(self, memo: Memo) -> bool:
        """Return whether the audio file is still, byte for byte, the one that was added."""
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
            public_only=bool(row["public_only"]),
            file=file,
            size=row[f"{kind}bytes"],
            stamp=found,
            intact=self._is_intact(row, kind, file, found),
        )

    def _is_intact(self, row: sqlite3.Row, kind: str, path: Path | str, found: FileStamp) -> bool:
        """Return whether a file has the stored size, and the stored time or hash, of `kind`."""
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
        # Copied or touched: the time differs, the content does not. Hash it only once.
        if kind:
            update, key = "UPDATE torrent SET mtime = ? WHERE info_hash = ?", row["info_hash"]
        else:
            update, key = "UPDATE memo SET mtime = ? WHERE id = ?", row["id"]
        with contextlib.suppress(Unwritable):
            self._database.execute(update, (mtime, key))
        return True

    def _holds_the_same(self, row: sqlite3.Row, kind: str, path: Path) -> bool:
        if row[f"{kind}sha256"]:
            return file_hash(path) == bytes(row[f"{kind}sha256"])
        # It came by a link, and only its torrent's hashes are stored.
        arrived = self._database.row(
            "SELECT content FROM torrent JOIN memo ON memo.id = torrent.memo"
            " WHERE memo.id = ? AND arrived AND mode = 'public'",
            (row["id"],),
        )
        return arrived is not None and torrent.holds(arrived["content"], path)
