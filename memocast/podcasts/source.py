"""Reading of a podcast's feed from its source, on the web or in a file."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from memocast.errors import Refused, UsageError
from memocast.files import file_stamp, open_regular
from memocast.network.public_connection import Guard
from memocast.podcasts import http_get, parser_process
from memocast.podcasts.parser import MAX_FEED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.library.library import Library
    from memocast.podcasts.parser import Podcast

_INSIDE = "inside"
"""In a feed's state, beside the fields of its last answer."""


def is_on_web(source: str) -> bool:
    """Return whether a feed's source is a web address rather than a file."""
    return source[:8].lower().startswith(("http://", "https://"))


def source_of(library: Library, text: str) -> str | None:
    """Return the address or file of a podcast's feed; None if `text` is something else.

    Raises NotALink for an address that memocast does not fetch.
    """
    if "magnet:" in text:
        return None
    if "://" in text:
        return http_get.checked_url(text)
    if library.channels.is_taken(text):
        return None
    try:
        return str(Path(text).absolute()) if Path(text).is_file() else None
    except (OSError, ValueError):
        return None


def look(
    source: str,
    state: str,
    timeout: float,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Podcast | None, str]:
    """Read the feed at a URL or in a file; return it with the state to pass next time.

    The feed is None if it has not changed since `state`, which is empty at first. `timeout` and
    `tell` as in `http_get.get`. Raises NotALink, UsageError, SwarmTimeout, Refused and
    MemocastError.

    The first look tells whether the source's host is inside the user's own network, and the state
    keeps that: what was public then may not lead there later, not even after a redirect.
    """
    if not is_on_web(source):
        return _look_in_file(Path(source), state)
    known, inside = _remembered(state)
    guard = Guard(_host(source), is_inside=inside)
    content = io.BytesIO()
    answer = http_get.get(source, content, MAX_FEED_BYTES, timeout, known, tell, guard=guard)
    if answer is None:
        return None, state
    podcast = parser_process.read(content.getvalue(), answer.url, answer.kind)
    return podcast, json.dumps({**asdict(answer), _INSIDE: bool(guard.is_inside)})


def guard_of(source: str, state: str) -> Guard:
    """Return the guard for what the feed at `source` leads to: where it may, by its `state`."""
    _, inside = _remembered(state) if is_on_web(source) else (None, None)
    return Guard(_host(source), is_inside=bool(inside))


def _host(source: str) -> str:
    return urlsplit(source).hostname or ""


def _remembered(state: str) -> tuple[http_get.Response | None, bool | None]:
    """Return the last answer, and whether the host was inside; None if that is not known.

    A state that an older memocast stored does not tell the latter; then the feed is asked for
    anew, and this look decides.
    """
    try:
        facts: dict[str, Any] = json.loads(state) if state else {}
        inside = facts.pop(_INSIDE, None)
        known = http_get.Response(**facts) if facts else None
    except (ValueError, TypeError, AttributeError):
        return None, None
    return (known, inside) if isinstance(inside, bool) else (None, None)


def _look_in_file(path: Path, state: str) -> tuple[Podcast | None, str]:
    found = json.dumps(file_stamp(path))
    if found == state:
        return None, state
    try:
        file = open_regular(path)
        if file is None:
            raise UsageError(f"'{path}' is not a regular file", hint="check the file's name")
        with file:
            content = file.read(MAX_FEED_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such file"
        raise UsageError(f"cannot read '{path}': {said}", hint="check the file's name") from error
    if len(content) > MAX_FEED_BYTES:
        raise Refused(f"'{path}' is larger than {MAX_FEED_BYTES:,} bytes", hint="is it a feed?")
    return parser_process.read(content, ""), found
