"""Parsing of a podcast's feed in a process with limits on time and memory.

Some small documents keep a parser that accepts every dialect busy for hours.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import IO

from memocast.errors import MemocastError, Refused
from memocast.formats.feed import FeedItem
from memocast.podcasts.parser import Podcast, parse
from memocast.processes import limited_process

SECONDS = 60
"""CPU time. A well-behaved feed of the largest size accepted takes 10 seconds."""


def read(content: bytes, base: str, kind: str = "") -> Podcast:
    """Return the result of `parser.parse`. Raises Refused also if that takes too long."""
    given = json.dumps([base, kind]).encode() + b"\n" + content
    try:
        said = limited_process.run(__name__, given, SECONDS)
    except limited_process.Exceeded:
        raise Refused(
            "the feed takes too long or too much memory to read", hint="tell its owner"
        ) from None
    if "refused" in said:
        raise Refused(said["refused"], hint=said["hint"])
    return Podcast(said["title"], tuple(map(_item, said["items"])))


def _item(said: dict[str, object]) -> FeedItem:
    published = datetime.fromtimestamp(said.pop("published"), UTC)  # type: ignore[arg-type]
    return FeedItem(published=published, **said)  # type: ignore[arg-type]


def answer(given: bytes, _file: IO[bytes] | None = None) -> dict[str, object]:
    """Parse a line of JSON and the feed after it, in the limited process."""
    about, _, content = given.partition(b"\n")
    base, kind = json.loads(about)
    try:
        found = parse(content, base, kind)
    except MemocastError as error:
        return {"refused": error.message, "hint": error.hint}
    items = [{**asdict(item), "published": item.published.timestamp()} for item in found.items]
    return {"title": found.title, "items": items}
