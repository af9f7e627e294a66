"""What a library holds, for comparing two, and what lies in it that belongs to nothing."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from memocast.bittorrent import dht
from memocast.formats import age, feed, link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.memocast_user import Memocast


def state(user: Memocast) -> dict[str, Any]:
    """All of the library that a person could tell from another, in words that are always the same.

    Of a channel of one's own, what its followers get: from its signed item on.
    """
    with closing(_opened(user)) as database:
        rows = database.execute
        memos = {row["id"]: row["title"] for row in rows("SELECT id, title FROM memo")}
        return {
            "memos": sorted(tuple(row) for row in rows("SELECT title, description FROM memo")),
            "shares": sorted(
                (memos[row["memo"]], row["mode"], row["shared"], row["stopped"], row["paired"])
                for row in rows("SELECT * FROM torrent")
            ),
            "channels": [
                {
                    "name": row["name"] if row["kind"] == "channel" else "",
                    "kind": row["kind"],
                    "own": bool(row["secret"]),
                    "limits": (row["newest"], row["max_size"], row["keep_days"]),
                    "leads to its newest page": _head(row) == (row["head"] or None),
                    "feed": list(_feed(user, row)) if row["kind"] == "channel" else None,
                    "items": [
                        (item["title"], memos.get(item["memo"]), item["arrived"] is not None)
                        for item in rows(
                            "SELECT * FROM item WHERE channel = ? ORDER BY number", (row["number"],)
                        )
                    ],
                }
                for row in rows("SELECT * FROM channel ORDER BY number")
            ],
            "replicas": sorted(
                (row["title"], memos.get(row["memo"]), bool(row["link"]), row["removed_at"][1:2])
                for row in rows("SELECT * FROM replica")
            ),
            "device": rows("SELECT count(*) FROM state WHERE key = 'device'").fetchone()[0],
        }


def _head(channel: sqlite3.Row) -> str | None:
    return dht.target_of(channel["value"]) if channel["seq"] >= 0 else None


def _feed(user: Memocast, channel: sqlite3.Row) -> Iterator[tuple[str, ...]]:
    """The titles on each page, from the one on that the signed item leads to."""
    info_hash = _head(channel) or ""
    while info_hash:
        file = user.library / "feeds" / info_hash
        if not file.exists():
            yield ("a page that is not here",)
            return
        content = file.read_bytes()
        if channel["age"]:
            content = age.unseal(content, [age.identity(channel["age"])])
        page = feed.parse_page(content)
        yield tuple(item.title for item in page.items)
        info_hash = (link.parse(page.next)[0].v1 or "") if page.next else ""


def leftovers(user: Memocast) -> set[str]:
    """Files that the database knows nothing of, those that it misses, and what is unfinished."""
    library = user.library
    with closing(_opened(user)) as database:
        rows = database.execute
        known = {
            "memos": {f"{row[0]}.{row[1]}" for row in rows("SELECT id, format FROM memo")},
            "sealed": {
                f"{row[0]}.age" for row in rows("SELECT info_hash FROM torrent WHERE bytes")
            },
            "feeds": {row[0] for row in rows("SELECT info_hash FROM page")},
            "incoming": {".gate"},
        }
        found = {row[0] for row in rows("SELECT key FROM state WHERE key LIKE 'removed:%'")}
        assert rows("PRAGMA integrity_check").fetchall()[0][0] == "ok"
        assert rows("PRAGMA foreign_key_check").fetchall() == []
    for folder, names in known.items():
        here = {path.name for path in (library / folder).iterdir()}
        found |= {f"{folder}/{name}" for name in here ^ names}
    unfinished = re.compile(r"\.part|\.new\b|\.rebuilt")
    found |= {str(path) for path in library.rglob("*") if unfinished.search(path.name)}
    return found


def _opened(user: Memocast) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{user.library}/library.db?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    return database


def let_a_minute_go_by(user: Memocast) -> None:
    """Nobody is at work any more on a file of the library's own folder that is not whole."""
    for partial in user.library.glob("*.part"):
        os.utime(partial, (time.time() - 61,) * 2)
