"""Feeds: the pages and items of a library's channels, and which memos they became."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast import database
from memocast.files import fsync_folder, stamp
from memocast.listed import listed
from memocast.seedables import FEEDS_FOLDER

if TYPE_CHECKING:
    import contextlib
    import sqlite3
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from memocast.channel import Channel
    from memocast.feed import Item
    from memocast.listed import Listed
    from memocast.removals import Removals


_SELECT = "SELECT * FROM item WHERE "
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


class Feeds:
    """The feeds of a library's channels. Every method may raise LibraryError."""

    def __init__(self, connection: sqlite3.Connection, root: Path, removals: Removals) -> None:
        self._database = connection
        self._path = root / "library.db"
        self._folder = root / FEEDS_FOLDER
        self._removals = removals

    # -- items -----------------------------------------------------------------------

    def items(
        self, channel: Channel, limit: int | None = None, page: str | None = None
    ) -> list[Listed]:
        """The channel's items, the newest first; with `page`, those of that page."""
        condition, values = ("", []) if page is None else (" AND page = ?", [page])
        return self._listed(
            f"channel = ?{condition} ORDER BY number DESC LIMIT ?",
            channel.number,
            *values,
            -1 if limit is None else limit,
        )

    def unpaged(self, channel: Channel) -> list[Listed]:
        """The items that no page has yet, or the newest page only; the newest first."""
        return self._listed(
            "channel = ? AND (page IS NULL OR page = ?) ORDER BY number DESC",
            channel.number,
            channel.head,
        )

    def item(self, channel: Channel, id_: str) -> Listed | None:
        """The item of that id."""
        return next(iter(self._listed("channel = ? AND id = ?", channel.number, id_)), None)

    def of_memo(self, memo: str) -> list[tuple[int, Listed]]:
        """The items that became this memo, each with its channel's number."""
        with self._translated():
            rows = self._database.execute("SELECT * FROM item WHERE memo = ?", (memo,)).fetchall()
            return [(row["channel"], listed(row)) for row in rows]

    def count(self, channel: Channel) -> tuple[int, int, int]:
        """How many items it has, how many of them are memos here, how many of those unheard."""
        with self._translated():
            row = self._database.execute(
                "SELECT count(*), count(memo), count(*) FILTER (WHERE memo IS NOT NULL AND"
                " NOT heard) FROM item WHERE channel = ?",
                (channel.number,),
            ).fetchone()
            return (row[0], row[1], row[2])

    def _listed(self, condition: str, *values: object) -> list[Listed]:
        with self._translated():
            query = _SELECT + condition
            rows = self._database.execute(query, values).fetchall()
            return [listed(row) for row in rows]

    def publish(self, channel: Channel, item: Item, memo: str) -> None:
        """Add an item of the user's own, which the next page is to have."""
        with self._translated(), database.transaction(self._database):
            self._insert(channel, item, None)
            self._database.execute(
                "UPDATE item SET memo = ?, arrived = ?, heard = 1 WHERE channel = ? AND id = ?",
                (memo, int(time.time()), channel.number, item.id),
            )

    def settle(self, number: int, memo: str) -> None:
        """The item of that number became this memo."""
        with self._translated():
            self._database.execute(
                "UPDATE item SET memo = ?, arrived = ?, problem = '' WHERE number = ?",
                (memo, int(time.time()), number),
            )

    def note_problem(self, listed: Listed, problem: str) -> None:
        """Why the item did not become a memo, now."""
        with self._translated():
            self._database.execute(
                "UPDATE item SET problem = ?, tries = tries + 1, tried = ? WHERE number = ?",
                (problem, int(time.time()), listed.number),
            )

    def heard(self, memo: str) -> None:
        """Somebody listened to it."""
        with self._translated():
            self._database.execute("UPDATE item SET heard = 1 WHERE memo = ?", (memo,))

    def unheard(self) -> list[str]:
        """The ids of the memos that came by a channel and were not heard, the oldest first."""
        with self._translated():
            rows = self._database.execute(
                "SELECT memo FROM item WHERE memo IS NOT NULL AND NOT heard ORDER BY published,"
                " number"
            ).fetchall()
            return [row["memo"] for row in rows]

    def expired(self, channel: Channel, before: int) -> list[str]:
        """The ids of its memos that arrived before that, in unix seconds."""
        with self._translated():
            rows = self._database.execute(
                "SELECT memo FROM item WHERE channel = ? AND memo IS NOT NULL AND arrived < ?",
                (channel.number, before),
            ).fetchall()
            return [row["memo"] for row in rows]

    def renew(self, channel: Channel, items: Sequence[Item], state: str) -> int:
        """Take these as the items of a podcast, the newest first; return how many are new.

        Items that it has no more, and that did not arrive, are forgotten. `state` is for the next
        look at its feed.
        """
        with self._translated(), database.transaction(self._database):
            rows = self._database.execute(
                "SELECT id, arrived FROM item WHERE channel = ?", (channel.number,)
            ).fetchall()
            known, listed = {row["id"] for row in rows}, {item.id for item in items}
            for item in reversed(items):
                self._insert(channel, item, None)
            gone = [row["id"] for row in rows if row["arrived"] is None and row["id"] not in listed]
            self._database.executemany(
                "DELETE FROM item WHERE channel = ? AND id = ?",
                [(channel.number, id_) for id_ in gone],
            )
            self._database.execute(
                "UPDATE channel SET state = ? WHERE number = ?", (state, channel.number)
            )
        return len(listed - known)

    # -- pages -----------------------------------------------------------------------

    def older(self, channel: Channel, info_hash: str) -> str | None:
        """The page before that page of the channel, empty for the first; None: it is not here."""
        with self._translated():
            row = self._database.execute(
                "SELECT next FROM page WHERE channel = ? AND info_hash = ? AND NOT retired",
                (channel.number, info_hash),
            ).fetchone()
            return row["next"] if row else None

    def pages(self, channel: Channel, info_hash: str, until: Collection[str]) -> list[str]:
        """The pages from this one on, each before the one it names; the first `until` ends it."""
        found: dict[str, None] = {}
        while info_hash not in until and info_hash not in found:
            following = self.older(channel, info_hash)
            if following is None:
                break
            found[info_hash] = None
            info_hash = following
        return list(found)

    def page_file(self, info_hash: str) -> Path:
        """Where a page is."""
        return self._folder / info_hash

    def replace(
        self,
        channel: Channel,
        pages: Sequence[tuple[StoredPage, Sequence[Item]]],
        gone: Iterable[Listed] = (),
    ) -> None:
        """Take these pages, the newest first, as the beginning of the channel's feed.

        What they lead to stays. The items that are `gone` go, and so do, after some time, pages
        that nothing leads to any more.
        """
        stays = {stored.info_hash for stored, _ in pages} | {pages[-1][0].next}
        with self._translated():
            with database.transaction(self._database):
                left = self.pages(channel, channel.head, stays)
                for stored, items in reversed(pages):
                    self._store(channel, stored)
                    for item in reversed(items):
                        self._insert(channel, item, stored.info_hash)
                self._database.execute(
                    "UPDATE channel SET head = ? WHERE number = ?",
                    (pages[0][0].info_hash, channel.number),
                )
                self._database.executemany(
                    "DELETE FROM item WHERE number = ?", [(listed.number,) for listed in gone]
                )
                self._retire(channel, left)
            self._removals.finish()

    def hold(self, channel: Channel, stored: Sequence[StoredPage], kept: Collection[str]) -> None:
        """Take these as the channel's pages, the head first; of those before, those `kept` stay."""
        with self._translated():
            with database.transaction(self._database):
                for page in stored:
                    self._store(channel, page)
                self._database.execute(
                    "UPDATE channel SET head = ? WHERE number = ?",
                    (stored[0].info_hash, channel.number),
                )
                stays = {page.info_hash for page in stored} | set(kept)
                self._forget(channel, [page for page in self._hashes(channel) if page not in stays])
            self._removals.finish()

    def sweep(self) -> None:
        """Delete pages that were put in place by somebody who could not go on."""
        with self._translated(), database.transaction(self._database):
            # Pages are put in place within a transaction; while this one lasts, none can be
            # on its way.
            rows = self._database.execute("SELECT info_hash FROM page").fetchall()
            known = {row["info_hash"] for row in rows}
            for path in self._folder.iterdir():
                if path.name not in known:
                    path.unlink(missing_ok=True)

    def forget(self, channel: Channel) -> None:
        """Have nothing of its feed any more."""
        with self._translated():
            with database.transaction(self._database):
                self._forget(channel, self._hashes(channel))
            self._removals.finish()

    def _hashes(self, channel: Channel) -> list[str]:
        rows = self._database.execute(
            "SELECT info_hash FROM page WHERE channel = ?", (channel.number,)
        ).fetchall()
        return [row["info_hash"] for row in rows]

    def _store(self, channel: Channel, stored: StoredPage) -> None:
        target = self.page_file(stored.info_hash)
        if self.older(channel, stored.info_hash) is not None and target.exists():
            return
        self._removals.call_off(target)
        # A crash can leave a file without a row; the next page of the same content takes it.
        stored.file.replace(target)
        fsync_folder(self._folder)
        size, mtime = stamp(target)
        self._database.execute(
            "INSERT OR REPLACE INTO page (channel, info_hash, next, content, bytes, mtime)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (channel.number, stored.info_hash, stored.next, stored.content, size, mtime),
        )

    def _insert(self, channel: Channel, item: Item, page: str | None) -> None:
        self._database.execute(
            "INSERT INTO item (channel, id, page, title, text, published, link, mime, bytes,"
            " duration, audio) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (channel, id) DO UPDATE SET page = excluded.page,"
            " title = excluded.title, text = excluded.text, link = excluded.link,"
            " audio = excluded.audio, mime = excluded.mime, bytes = excluded.bytes,"
            " duration = excluded.duration",
            (
                channel.number,
                item.id,
                page,
                item.title,
                item.text,
                int(item.published.timestamp()),
                item.link,
                item.mime,
                item.size,
                item.duration,
                item.audio,
            ),
        )

    def _retire(self, channel: Channel, pages: Sequence[str]) -> None:
        moment = int(time.time())
        self._database.executemany(
            "UPDATE page SET retired = ? WHERE channel = ? AND info_hash = ?",
            [(moment, channel.number, info_hash) for info_hash in pages],
        )
        rows = self._database.execute(
            "SELECT info_hash, retired FROM page WHERE channel = ? AND retired"
            " ORDER BY retired DESC, rowid DESC",
            (channel.number,),
        ).fetchall()
        old = [row["info_hash"] for row in rows if row["retired"] < moment - _KEPT_SECONDS]
        self._forget(channel, [*old, *(row["info_hash"] for row in rows[_KEPT:])])

    def _forget(self, channel: Channel, pages: Sequence[str]) -> None:
        for info_hash in pages:
            self._database.execute(
                "DELETE FROM page WHERE channel = ? AND info_hash = ?", (channel.number, info_hash)
            )
            # A stranger's channel may lead to a page of another one.
            shared = self._database.execute(
                "SELECT 1 FROM page WHERE info_hash = ?", (info_hash,)
            ).fetchone()
            if shared is None:
                self._removals.intend([self.page_file(info_hash)])

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return database.translated(self._path)
