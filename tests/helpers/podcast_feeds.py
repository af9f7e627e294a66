"""Feeds as podcasts have them, and what became of one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast

NAMESPACES = (
    'xmlns:torrent="http://xmlns.ezrss.it/0.1/" xmlns:itunes='
    '"http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:podcast='
    '"https://podcastindex.org/namespace/1.0"'
)


def item(number: int, enclosure: str, more: str = "") -> str:
    """An item of a feed, of the day `number` of a month."""
    return (
        f"<item><title>Episode {number}</title><guid>id-{number}</guid>"
        f"<pubDate>{number:02} Sep 2021 10:00:00 +0200</pubDate>"
        f'<enclosure url="{escape(enclosure)}" length="1" type="audio/ogg"/>{more}</item>'
    )


def rss(*items: str, title: str = "A show") -> bytes:
    """A feed of these items, the newest first."""
    return (
        f'<?xml version="1.0"?><rss version="2.0" {NAMESPACES}><channel><title>{title}</title>'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def titles(user: Memocast) -> list[str]:
    return sorted(memo["title"] for memo in user.run("list", "--json").json)


def problem(user: Memocast, show: str = "A show") -> str | None:
    found = user.run("channel", "show", show, "--json").json["problem"]
    assert found is None or isinstance(found, str)
    return found
