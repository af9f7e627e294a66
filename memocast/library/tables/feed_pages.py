"""Feed pages: the pages of the channels' feeds that a library has, each a file with a torrent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast.files import file_stamp, fsync_folder
from memocast.library.tables.folders import FEEDS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from memocast.formats.channel import Channel
    from memocast.formats.feed import FeedItem
    from memocast.library.tables.database import Database
    from memocast.library.tables.feed_items import FeedItems, ListedItem
    from memocast.library.tables.pending_deletes import PendingDeletes

_KEPT = 10
_KEPT_SECONDS = 7 * 24 * 3600
"""So many newest pages of the past are still offered, for so long: links in browsers name them."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page's file, still elsewhere: `content` is its .torrent; `next` the page's before it."""

    info_hash: str
    next: str
    content: bytes
    file: Path


class FeedPages:
    """The pages of a library's channels. Every method may raise LibraryError."""

    def __init__(
        self, database: Database, root: Path, pending_deletes: PendingDeletes, items: FeedItems
    ) -> None:
        self._database = database
        self._folder = root / FEEDS_FOLDER
        self._pending_deletes = pending_deletes
        self._items = items

    def older(self, channel: Channel, info_hash: str) -> str | None:
        """The page before that page of the channel, empty for the first; None: it is not here."""
        row = self._database.row(
            "SELECT next FROM page WHERE channel = ? AND info_hash = ? AND NOT retired",
            (channel.number, info_hash),
        )
        return row["next"] if row else None

    def chain(self, channel: Channel, info_hash: str, until: Collection[str]) -> list[str]:
        """The pages from this one on, each before the one it names; the first `until` ends it."""
        found: dict[str, None] = {}
        while info_hash not in until and info_hash not in found:
            following = self.older(channel, info_hash)
            if following is None:
                break
            found[info_hash] = None
            info_hash = following
        return list(found)

    def file(self, info_hash: str) -> Path:
        """Where a page is."""
        return self._folder / info_hash

    def replace(
        self,
        channel: Channel,
        pages: Sequence[tuple[StoredPage, Sequence[FeedItem]]],
        gone: Iterable[ListedItem] = (),
    ) -> None:
        """Take these pages, the newest first, as the beginning of the channel's feed.

        What they lead to stays. The items that are `gone` go, and so do, after some time, pages
        that nothing leads to any more.
        """
        stays = {stored.info_hash for stored, _ in pages} | {pages[-1][0].next}
        with self._database.transaction():
            left = self.chain(channel, channel.head, stays)
            for stored, items in reversed(pages):
                self._store(channel, stored)
                for item in reversed(items):
                    self._items.insert(channel, item, stored.info_hash)
            self._database.execute(
                "UPDATE channel SET head = ? WHERE number = ?",
                (pages[0][0].info_hash, channel.number),
            )
            self._database.executemany(
                "DELETE FROM item WHERE number = ?", [(listed.number,) for listed in gone]
            )
            self._retire(channel, left)
        self._pending_deletes.finish()

    def hold(self, channel: Channel, stored: Sequence[StoredPage], kept: Collection[str]) -> None:
        """Take these as the channel's pages, the head first; of those before, those `kept` stay."""
        with self._database.transaction():
            for page in stored:
                self._store(channel, page)
            self._database.execute(
                "UPDATE channel SET head = ? WHERE number = ?",
                (stored[0].info_hash, channel.number),
            )
            stays = {page.info_hash for page in stored} | set(kept)
            self._forget(channel, [page for page in self._hashes(channel) if page not in stays])
        self._pending_deletes.finish()

    def sweep(self) -> None:
        """Delete pages that were put in place by somebody who could not go on."""
        with self._database.transaction():
            # Pages are put in place within a transaction; while this one lasts, none can be
            # on its way.
            rows = self._database.rows("SELECT info_hash FROM page")
            known = {row["info_hash"] for row in rows}
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    def forget(self, channel: Channel) -> None:
        """Have nothing of its feed any more."""
        with self._database.transaction():
            self._forget(channel, self._hashes(channel))
        self._pending_deletes.finish()

    def _hashes(self, channel: Channel) -> list[str]:
        rows = self._database.rows(
            "SELECT info_hash FROM page WHERE channel = ?", (channel.number,)
        )
        return [row["info_hash"] for row in rows]

    def _store(self, channel: Channel, stored: StoredPage) -> None:
        target = self.file(stored.info_hash)
        if self.older(channel, stored.info_hash) is not None and target.exists():
            return
        self._pending_deletes.cancel(target)
        # A crash can leave a file without a row; the next page of the same content takes it.
        stored.file.replace(target)
        fsync_folder(self._folder)
        size, mtime = file_stamp(target)
        self._database.execute(
            "INSERT OR REPLACE INTO page (channel, info_hash, next, content, bytes, mtime)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (channel.number, stored.info_hash, stored.next, stored.content, size, mtime),
        )

    def _retire(self, channel: Channel, pages: Sequence[str]) -> None:
        moment = int(time.time())
        self._database.executemany(
            "UPDATE page SET retired = ? WHERE channel = ? AND info_hash = ?",
            [(moment, channel.number, info_hash) for info_hash in pages],
        )
        rows = self._database.rows(
            "SELECT info_hash, retired FROM page WHERE channel = ? AND retired"
            " ORDER BY retired DESC, rowid DESC",
            (channel.number,),
        )
        old = [row["info_hash"] for row in rows if row["retired"] < moment - _KEPT_SECONDS]
        self._forget(channel, [*old, *(row["info_hash"] for row in rows[_KEPT:])])

    def _forget(self, channel: Channel, pages: Sequence[str]) -> None:
        for info_hash in pages:
            self._database.execute(
                "DELETE FROM page WHERE channel = ? AND info_hash = ?", (channel.number, info_hash)
            )
            # A stranger's channel may lead to a page of another one.
            shared = self._database.row("SELECT 1 FROM page WHERE info_hash = ?", (info_hash,))
            if shared is None:
                self._pending_deletes.add([self.file(info_hash)])
