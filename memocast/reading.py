"""Reading: a podcast's feed in a process of its own, which has so much time and memory.

There are small documents over which a parser that takes every dialect sits for hours.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime

from memocast.errors import MemocastError, Refused
from memocast.feed import Item
from memocast.podcast import Podcast, parsed

SECONDS = 60
"""Of one core. The largest feed that is read at all takes 10, if it is what it should be."""

_MEMORY_BYTES = 2 << 30


def read(content: bytes, base: str, kind: str = "") -> Podcast:
    """What `podcast.parsed` makes of a feed. Raises Refused also when that takes too long."""
    # On standard input: a command line, other users see, and an address can be a secret.
    given = json.dumps([base, kind, SECONDS]).encode() + b"\n" + content
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "memocast.reading"],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=2 * SECONDS,
            check=False,
        )
        said = json.loads(done.stdout) if done.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        said = {}
    if "refused" in said:
        raise Refused(said["refused"], hint=said["hint"])
    if "items" not in said:
        raise Refused("the feed takes too long to read, or too much memory", hint="tell its owner")
    return Podcast(said["title"], tuple(map(_item, said["items"])))


def _item(said: dict[str, object]) -> Item:
    published = datetime.fromtimestamp(said.pop("published"), UTC)  # type: ignore[arg-type]
    return Item(published=published, **said)  # type: ignore[arg-type]


def main() -> None:
    """Read a feed from standard input; write what it says to standard output, as JSON."""
    base, kind, seconds = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    try:
        found = parsed(sys.stdin.buffer.read(), base, kind)
    except MemocastError as error:
        said: dict[str, object] = {"refused": error.message, "hint": error.hint}
    else:
        items = [{**asdict(item), "published": item.published.timestamp()} for item in found.items]
        said = {"title": found.title, "items": items}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
