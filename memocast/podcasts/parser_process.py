"""Parsing of a podcast's feed in a process with limits on time and memory.

Some small documents keep a parser that accepts every dialect busy for hours.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
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
from memocast.processes import limited_process, sandbox

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

_HEAD_BYTES = 1 << 10
"""Of a feed, in which its encoding is named."""

_NAMED = re.compile(rb"(?:encoding|charset)\s*=\s*[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)
_ENCODINGS = (
    *("ascii", "latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"),
    *("utf-32", "utf-32-le", "utf-32-be", "windows-1252", "iso-8859-2", "cp037"),
)
"""Which are tried whatever the feed says, or are found by its first bytes."""

_SAMPLE = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>A</title><item>
<title>&lt;b&gt;A&amp;eacute;&lt;/b&gt;</title><pubDate>Mon, 02 Jan 2023 10:00:00 +0100</pubDate>
<enclosure url="http://[::1]/a" type="audio/mpeg" length="1"/></item></channel></rss>"""

SECONDS = 60
"""CPU time. A well-behaved feed of the largest size accepted takes 10 seconds."""


def read(content: bytes, base: str, kind: str = "") -> Podcast:
    """Return the result of `parser.parse`. Raises Refused also if that takes too long."""
    given = json.dumps([base, kind]).encode() + b"\n" + content
    try:
        encodings = " ".join(_encodings(content, kind))
        said = limited_process.run(
            __name__, given, SECONDS, json_bytes=_JSON_BYTES, prepare=encodings
        )
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


def _encodings(content: bytes, kind: str) -> set[str]:
    """Return what may be the names of a feed's encoding, for Python to import before it is read."""
    head = content[:_HEAD_BYTES]
    # In UTF-16 and UTF-32 each letter comes with zeros; the third is EBCDIC.
    texts = (head.replace(b"\0", b""), head.decode("cp037").encode(errors="replace"))
    said = [kind.encode(errors="replace"), *texts]
    found = {name.decode().lower() for text in said for name in _NAMED.findall(text)}
    # feedparser takes the larger one for it.
    return found | {"gb18030"} if "gb2312" in found else found


def prepare(encodings: str) -> None:
    """Import all that parsing a feed in one of those encodings needs, by parsing one."""
    sandbox.load()
    for name in (*_ENCODINGS, *encodings.split()):
        with contextlib.suppress(LookupError):
            codecs.lookup(name)
    parse(_SAMPLE, "http://[::1]/")


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
