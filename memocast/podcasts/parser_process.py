"""Parsing of a podcast's feed in a process with limits on time and memory.

Some small documents keep a parser that accepts every dialect busy for hours.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import IO

from memocast.errors import MemocastError, Refused
from memocast.formats.feed import (
    MAX_ID,
    MAX_LINK,
    MAX_MILLISECONDS,
    MAX_SIZE,
    NAME_MAX_BYTES,
    FeedItem,
)
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES
from memocast.formats.untrusted import LAST_SECOND, cut_text, integer, moment, whole_text
from memocast.podcasts.parser import MAX_ITEMS, Podcast, parse
from memocast.processes import limited_process

_JSON_BYTES = 64 << 20
"""Of a feed's items, up to a thousand, with texts whose characters may take six bytes each."""

_MESSAGE_BYTES = 1_000
_MOST_BYTES = {
    # Four for each character.
    "id": 4 * MAX_ID,
    "link": 4 * MAX_LINK,
    "audio": 4 * MAX_LINK,
    "title": TITLE_MAX_BYTES,
    "text": DESCRIPTION_MAX_BYTES,
    "mime": 100,
}
_MOST = {"size": MAX_SIZE, "duration": MAX_MILLISECONDS, "published": LAST_SECOND}

SECONDS = 60
"""CPU time. A well-behaved feed of the largest size accepted takes 10 seconds."""


def read(content: bytes, base: str, kind: str = "") -> Podcast:
    """Return the result of `parser.parse`. Raises Refused also if that takes too long."""
    given = json.dumps([base, kind]).encode() + b"\n" + content
    try:
        said = limited_process.run(__name__, given, SECONDS, json_bytes=_JSON_BYTES)
        return _podcast(said)
    except limited_process.Exceeded:
        raise Refused(
            "the feed takes too long or too much memory to read", hint="tell its owner"
        ) from None


def _podcast(said: object) -> Podcast:
    """Return what `answer` returned; what no feed leads to is Exceeded. Raises Refused."""
    if not isinstance(said, dict):
        raise limited_process.Exceeded
    if "refused" in said:
        message, hint = (cut_text(said.get(part), _MESSAGE_BYTES) for part in ("refused", "hint"))
        raise Refused(message, hint=hint)
    title, items = whole_text(said.get("title"), NAME_MAX_BYTES), said.get("items")
    if title is None or not isinstance(items, list) or len(items) > MAX_ITEMS:
        raise limited_process.Exceeded
    return Podcast(title, tuple(map(_item, items)))


def _item(said: object) -> FeedItem:
    if not isinstance(said, dict):
        raise limited_process.Exceeded
    texts = {name: whole_text(said.get(name), most) for name, most in _MOST_BYTES.items()}
    numbers = {name: integer(said.get(name), 0, most) for name, most in _MOST.items()}
    if None in texts.values() or None in numbers.values():
        raise limited_process.Exceeded
    published = moment(numbers.pop("published") or 0)
    return FeedItem(published=published, **texts, **numbers)  # type: ignore[arg-type]


def answer(given: bytes, _file: IO[bytes] | None = None) -> dict[str, object]:
    """Parse a line of JSON and the feed after it, in the limited process."""
    about, _, content = given.partition(b"\n")
    base, kind = json.loads(about)
    try:
        found = parse(content, base, kind)
    except MemocastError as error:
        return {"refused": error.message, "hint": error.hint}
    items = [{**asdict(item), "published": int(item.published.timestamp())} for item in found.items]
    return {"title": found.title, "items": items}
