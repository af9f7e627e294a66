"""Listed: an item of a channel's feed, and what became of it in a library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memocast.formats.feed import FeedItem

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class ListedItem:
    """An item of a channel's feed, and what became of it here.

    `memo` is the id of the memo, once it has arrived; `arrived`, in unix seconds, stays when
    that was removed. `problem` says why it did not arrive, `tries` how often and `tried`, in unix
    seconds, when it did not.
    """

    number: int
    item: FeedItem
    page: str | None
    memo: str | None
    arrived: int | None
    heard: bool
    problem: str
    tries: int
    tried: int


def listed(row: sqlite3.Row) -> ListedItem:
    """The Listed of a row of `item`."""
    return ListedItem(
        number=row["number"],
        item=FeedItem(
            id=row["id"],
            title=row["title"],
            text=row["text"],
            published=datetime.fromtimestamp(row["published"], UTC),
            link=row["link"],
            mime=row["mime"],
            size=row["bytes"],
            duration=row["duration"],
            audio=row["audio"],
        ),
        page=row["page"],
        memo=row["memo"],
        arrived=row["arrived"],
        heard=bool(row["heard"]),
        problem=row["problem"],
        tries=row["tries"],
        tried=row["tried"],
    )
