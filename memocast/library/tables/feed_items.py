"""The items of the channels' feeds, and the memos made from them."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast.errors import MemocastError
from memocast.formats import link, untrusted
from memocast.formats.feed import FeedItem
from memocast.formats.magnet import is_magnet

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from memocast.formats.channel import Channel
    from memocast.library.tables.database import Database

Enclosure = tuple[str, int, int]
_NO_SIZE = 1000
"""Up to this, a size in bytes is what feeds write that do not know it, such as 0 or 1."""
_SELECT = "SELECT * FROM item WHERE "


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item of a channel's feed, and its state in this library.

    `memo` is the memo's id once it has arrived; `arrived`, in unix seconds, stays after the memo
    is removed. `claimed` is when its feed says that it was published, in unix seconds, which may be
    in the future; the item's own time never is. `problem` is why the last try failed, `tries` the
    number of failed tries and `tried`, in unix seconds, the time of the last one.
    """

    number: int
    item: FeedItem
    page: str | None
    memo: str | None
    arrived: int | None
    claimed: int
    heard: bool
    problem: str
    tries: int
    tried: int


class FeedItems:
    """The feed items of a library's channels. Every method may raise LibraryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(
        self, channel: Channel, limit: int | None = None, page: str | None = None
    ) -> list[ListedItem]:
        """Return the channel's items, newest first; with `page`, only those on that page."""
        condition, values = ("", []) if page is None else (" AND page = ?", [page])
        return self._listed(
            f"channel = ?{condition} ORDER BY number DESC LIMIT ?",
            channel.number,
            *values,
            -1 if limit is None else limit,
        )

    def unpaged(self, channel: Channel) -> list[ListedItem]:
        """Return the items that are on no page yet or on the newest page, newest first."""
        return self._listed(
            "channel = ? AND (page IS NULL OR page = ?) ORDER BY number DESC",
            channel.number,
            channel.head,
        )

    def get(self, channel: Channel, id_: str) -> ListedItem | None:
        """Return the item with that id, or None."""
        return next(iter(self._listed("channel = ? AND id = ?", channel.number, id_)), None)

    def of_memo(self, memo: str) -> list[tuple[int, ListedItem]]:
        """Return the items of this memo, each with its channel's number."""
        rows = self._database.rows("SELECT * FROM item WHERE memo = ?", (memo,))
        return [(row["channel"], _item_of(row)) for row in rows]

    def count(self, channel: Channel) -> tuple[int, int, int]:
        """Return the channel's number of items, of memos among them, and of unheard memos."""
        row = self._database.row(
            "SELECT count(*), count(memo), count(*) FILTER (WHERE memo IS NOT NULL AND"
            " NOT heard) FROM item WHERE channel = ?",
            (channel.number,),
        )
        return (row[0], row[1], row[2])

    def _listed(self, condition: str, *values: object) -> list[ListedItem]:
        query = _SELECT + condition
        rows = self._database.rows(query, values)
        return [_item_of(row) for row in rows]

    def add_own(self, channel: Channel, item: FeedItem, memo: str) -> None:
        """Add an item of the user's own, to be put on the next page."""
        with self._database.transaction():
            self.insert(channel, item, None)
            self._database.execute(
                "UPDATE item SET memo = ?, arrived = ?, heard = 1 WHERE channel = ? AND id = ?",
                (memo, int(time.time()), channel.number, item.id),
            )

    def settle(self, number: int, memo: str) -> None:
        """Record that the item with that number is now this memo."""
        self._database.execute(
            "UPDATE item SET memo = ?, arrived = ?, problem = '' WHERE number = ?",
            (memo, int(time.time()), number),
        )

    def note_problem(self, listed: ListedItem, problem: str, *, counts: bool = True) -> None:
        """Record why fetching the item failed just now; if it `counts`, it is retried later."""
        self._database.execute(
            "UPDATE item SET problem = ?, tries = tries + ?, tried = ? WHERE number = ?",
            (problem, counts, int(time.time()), listed.number),
        )

    def mark_heard(self, memo: str) -> None:
        """Mark the memo as heard."""
        self._database.execute("UPDATE item SET heard = 1 WHERE memo = ?", (memo,))

    def unheard(self) -> list[str]:
        """Return the ids of the unheard memos from channels, oldest first."""
        rows = self._database.rows(
            "SELECT memo FROM item WHERE memo IS NOT NULL AND NOT heard ORDER BY published, number"
        )
        return [row["memo"] for row in rows]

    def expired(self, channel: Channel, before: int) -> list[str]:
        """Return the ids of the channel's memos that arrived before `before`, in unix seconds."""
        rows = self._database.rows(
            "SELECT memo FROM item WHERE channel = ? AND memo IS NOT NULL AND arrived < ?",
            (channel.number, before),
        )
        return [row["memo"] for row in rows]

    def take_podcast(self, channel: Channel, items: Sequence[FeedItem], state: str) -> None:
        """Store these items of a podcast, newest first.

        Items that left the feed before they arrived are deleted. `state` is kept for the next
        read of the feed.
        """
        with self._database.transaction():
            listed = {item.id for item in items}
            known = self.items(channel)
            gone = [one for one in known if one.item.id not in listed]
            renamed = self.rename(channel, items, gone)
            for item in reversed(items):
                self.insert(channel, item, None)
            self._database.executemany(
                "DELETE FROM item WHERE number = ?",
                [
                    (one.number,)
                    for one in gone
                    if one.arrived is None and one.number not in renamed
                ],
            )
            self._database.execute(
                "UPDATE channel SET state = ? WHERE number = ?", (state, channel.number)
            )

    def rename(
        self, channel: Channel, items: Iterable[FeedItem], gone: Iterable[ListedItem]
    ) -> set[int]:
        """Give items that left the feed the ids under which they are in it again.

        What they lead to tells that they are the same: otherwise a feed that changes its ids
        would be fetched anew each time. Returns their numbers.
        """
        ids = {one.item.id for one in self.items(channel)}
        left: dict[Enclosure, list[ListedItem]] = {}
        for one in gone:
            left.setdefault(enclosure(one.item, one.claimed), []).append(one)
        renamed = set()
        for item in items:
            if item.id not in ids and (same := left.get(enclosure(item, _seconds(item)))):
                number = same.pop(0).number
                renamed.add(number)
                self._database.execute("UPDATE item SET id = ? WHERE number = ?", (item.id, number))
        return renamed

    def wanted(self, channel: Channel) -> list[ListedItem]:
        """Return the items to fetch: untried ones, oldest first, then those that failed.

        Oldest first, so that the newest arrives last and becomes `latest`.
        """
        newest = self.items(channel, channel.limits.newest or None)
        missing = [one for one in reversed(newest) if one.arrived is None]
        return sorted(missing, key=lambda one: one.tried if one.problem else 0)

    def has_problem(self, channel: Channel, problem: str) -> bool:
        """Return whether that is why an item has not arrived yet."""
        row = self._database.row(
            "SELECT 1 FROM item WHERE channel = ? AND problem = ? AND arrived IS NULL LIMIT 1",
            (channel.number, problem),
        )
        return row is not None

    def move_up(self, channel: Channel, page: str) -> None:
        """Make the page's items the newest, inside the caller's transaction."""
        for listed in reversed(self.items(channel, page=page)):
            self._database.execute(
                "UPDATE item SET number = (SELECT max(number) + 1 FROM item) WHERE number = ?",
                (listed.number,),
            )

    def insert(self, channel: Channel, item: FeedItem, page: str | None) -> None:
        """Insert or update an item on `page`, an info-hash, inside the caller's transaction."""
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
                _seconds(item),
                item.link,
                item.mime,
                item.size,
                item.duration,
                item.audio,
            ),
        )


def enclosure(item: FeedItem, claimed: int) -> Enclosure:
    """Return what tells that two items lead to the same audio, whatever their ids.

    The torrent's info-hash, or else the address without its query, with size and date (`claimed`,
    in unix seconds, or 0). Without both of these, the query may be all that differs between two.
    """
    magnet = item.link if is_magnet(item.link) else ""
    with contextlib.suppress(MemocastError):
        if magnet:
            (where,) = link.parse(magnet)
            return where.info_hashes[0], 0, 0
    address = (item.audio or item.link).partition("#")[0]  # servers do not see what follows
    if item.size > _NO_SIZE or claimed:
        address = address.partition("?")[0]
    return address, item.size, claimed


def _seconds(item: FeedItem) -> int:
    return int(item.published.timestamp())


def _item_of(row: sqlite3.Row) -> ListedItem:
    """Return the item in a row."""
    return ListedItem(
        number=row["number"],
        item=FeedItem(
            id=row["id"],
            title=row["title"],
            text=row["text"],
            published=untrusted.past(row["published"]),
            link=row["link"],
            mime=row["mime"],
            size=row["bytes"],
            duration=row["duration"],
            audio=row["audio"],
        ),
        page=row["page"],
        memo=row["memo"],
        arrived=row["arrived"],
        claimed=row["published"],
        heard=bool(row["heard"]),
        problem=row["problem"],
        tries=row["tries"],
        tried=row["tried"],
    )
