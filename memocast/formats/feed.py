"""Feed: a channel's memos as a JSON Feed (https://www.jsonfeed.org/version/1.1/).

Each page names the one before it in `next_url`, so a follower of a channel with
thousands of memos first reads one small page.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from memocast.errors import Refused
from memocast.formats import json_pieces, untrusted
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES, rfc3339

VERSION = "https://jsonfeed.org/version/1.1"
MAX_PAGE_BYTES = 1 << 20
"""The limit for pages that are read; pages written here are much smaller."""

PAGE_ITEMS = 50
PAGE_BYTES = 1 << 16
MAX_ITEMS = 1_000
"""The limit for pages that are read."""

NAME_MAX_BYTES = 100
MAX_LINK = 4_000
MAX_ID = 300
MAX_MILLISECONDS = 10**11
MAX_SIZE = 2**50

MIME_TYPES = {
    "opus": "audio/ogg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "webm": "audio/webm",
}
"""By the extension of an audio file (RFC 4337, 5334, 9639; the others by convention)."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A memo in a feed: `size` in bytes, `duration` in milliseconds; `link` is its magnet.

    For a podcast, `link` can also be the URL of a .torrent or of the audio. The URL of the
    audio is in `audio` too, as the fallback when the torrent is unavailable.
    """

    id: str
    title: str
    text: str
    published: datetime
    link: str
    mime: str = "audio/ogg"
    size: int = 0
    duration: int = 0
    audio: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the item as JSON Feed defines it."""
        return {
            "id": self.id,
            "title": self.title,
            "content_text": self.text,
            "date_published": rfc3339(self.published),
            "attachments": [
                {
                    "url": self.link,
                    "mime_type": self.mime,
                    "size_in_bytes": self.size,
                    "duration_in_seconds": self.duration / 1000,
                }
            ],
        }


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of a feed, its newest item first; `next` is the magnet of the page before it."""

    title: str
    items: tuple[FeedItem, ...]
    next: str = ""

    def to_bytes(self) -> bytes:
        """Return the page as a JSON document; the same page gives the same bytes."""
        document: dict[str, Any] = {"version": VERSION, "title": self.title}
        if self.next:
            document["next_url"] = self.next
        document["items"] = [item.to_json() for item in self.items]
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def parse_page(content: bytes) -> FeedPage:
    """Parse a stranger's page; unusable items are left out.

    Raises Refused when it is not a JSON Feed, or too large.
    """
    if len(content) > MAX_PAGE_BYTES:
        raise Refused("the feed's page is too large", hint="tell the channel's owner")
    try:
        document = dict(json_pieces.members(content))
        version = _said(document.get("version"))
    except ValueError:
        version = None
    if not isinstance(version, str) or not version.startswith("https://jsonfeed.org/version/1"):
        raise Refused("the channel leads to something that is not a feed", hint="tell its owner")
    try:
        items = list(islice(json_pieces.elements(document.get("items", b"")), MAX_ITEMS + 1))
    except ValueError:
        items = None
    if items is None or len(items) > MAX_ITEMS:
        raise Refused("the feed's page has too many items", hint="tell the channel's owner")
    found = {item.id: item for item in map(_item, map(_said, items)) if item}
    return FeedPage(
        title=untrusted.cut_text(_said(document.get("title")), NAME_MAX_BYTES).strip(),
        items=tuple(found.values()),
        next=_magnet(_said(document.get("next_url"))),
    )


def _said(value: bytes | None) -> object:
    """Return the value of a part of the document; None when it is not JSON."""
    try:
        return None if value is None else json_pieces.loads(value)
    except ValueError:
        return None


def _item(said: object) -> FeedItem | None:
    if not isinstance(said, dict):
        return None
    attachments = said.get("attachments")
    first = attachments[0] if isinstance(attachments, list) and attachments else None
    if not isinstance(first, dict):
        return None
    link, id_ = _magnet(first.get("url")), said.get("id")
    if (
        not link
        or not isinstance(id_, str)
        or not 0 < len(id_) <= MAX_ID
        or untrusted.is_broken(id_)
    ):
        return None
    text = untrusted.cut_text(said.get("content_text"), DESCRIPTION_MAX_BYTES)
    return FeedItem(
        id=id_,
        title=untrusted.cut_text(said.get("title"), TITLE_MAX_BYTES).strip() or "untitled",
        text=text,
        published=_moment(said.get("date_published")),
        link=link,
        mime=untrusted.cut_text(first.get("mime_type"), 100),
        size=int(untrusted.number(first.get("size_in_bytes"), MAX_SIZE)),
        duration=round(
            untrusted.number(first.get("duration_in_seconds"), MAX_MILLISECONDS / 1000) * 1000
        ),
    )


def _magnet(value: object) -> str:
    is_one = isinstance(value, str) and value.startswith("magnet:?") and len(value) <= MAX_LINK
    return str(value) if is_one and not untrusted.is_broken(str(value)) else ""


def _moment(value: object) -> datetime:
    """Return when it was published, never later than now; 1970 when no date is given."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        seconds = int((found if found and found.tzinfo else _EPOCH).timestamp())
    except (ValueError, OverflowError, OSError):
        seconds = 0
    return untrusted.past(seconds)


_EPOCH = datetime.fromtimestamp(0, UTC)
