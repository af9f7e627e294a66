"""The pages of the channels' feeds in a library, each a file with a torrent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast.files import file_stamp, fsync_file, fsync_folder
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
"""The most retired pages that are still seeded, and for how long: links in browsers name them."""


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page's file outside the library; `content` is its .torrent, `next` the older page."""

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
        """Return the next older page, empty at the oldest; None when this page is not here."""
        row = self._database.row(
            "SELECT next FROM page WHERE channel = ? AND info_hash = ? AND NOT retired",
            (channel.number, info_hash),
        )
        return row["next"] if row else None

    def chain(self, channel: Channel, info_hash: str, until: Collection[str]) -> list[str]:
        """Return the pages from this one to ever older ones, ending before any in `until`."""
        found: dict[str, None] = {}
        while info_hash not in until and info_hash not in found:
            following = self.older(channel, info_hash)
            if following is None:
                break
            found[info_hash] = None
            info_hash = following
        return list(found)

    def file(self, info_hash: str) -> Path:
        """Return the path of a page's file."""
        return self._folder / info_hash

    def replace(
        self,
        channel: Channel,
        head: str,
        pages: Sequence[tuple[StoredPage, Sequence[FeedItem]]],
        gone: Iterable[ListedItem] = (),
    ) -> None:
        """Store these pages, newest first, and make `head` the newest page of the channel's feed.

        The pages that it leads to stay. The items in `gone` are deleted now, and pages that are
        no longer linked are deleted after some time.
        """
        new = {stored.info_hash: items for stored, items in pages}
        with self._database.transaction():
            before = self.chain(channel, channel.head, ())
            for stored, _ in reversed(pages):
                self._store(channel, stored)
            stays = self.chain(channel, head, ())
            has_older = False
            for info_hash in reversed(stays):
                if info_hash in new:
                    has_older = True
                    for item in reversed(new[info_hash]):
                        self._items.insert(channel, item, info_hash)
                elif has_older:
                    self._items.move_up(channel, info_hash)
            self._database.execute(
                "UPDATE channel SET head = ? WHERE number = ?", (head, channel.number)
            )
            self._database.executemany(
                "DELETE FROM item WHERE number = ?", [(listed.number,) for listed in gone]
            )
            known = set(stays)
            self._retire(channel, [page for page in before if page not in known])
        self._pending_deletes.finish()

    def hold(self, channel: Channel, stored: Sequence[StoredPage], kept: Collection[str]) -> None:
        """Make these the channel's pages, newest first; keep those in `kept` as well."""
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
        """Delete page files left by an interrupted process."""
        with self._database.transaction():
            # Pages are put in place within a transaction, so none can arrive during this one.
            rows = self._database.rows("SELECT info_hash FROM page")
            known = {row["info_hash"] for row in rows}
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    def forget(self, channel: Channel) -> None:
        """Delete all pages of the channel's feed."""
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
        fsync_file(stored.file)  # libtorrent, which may have written it, leaves that to the system
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
            # A stranger's channel may link to a page of another channel.
            shared = self._database.row("SELECT 1 FROM page WHERE info_hash = ?", (info_hash,))
            if shared is None:
                self._pending_deletes.add([self.file(info_hash)])
