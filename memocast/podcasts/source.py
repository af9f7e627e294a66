"""Reading of a podcast's feed from its source, on the web or in a file."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import Refused, UsageError
from memocast.files import file_stamp
from memocast.podcasts import http_get, parser_process
from memocast.podcasts.parser import MAX_FEED_BYTES

if TYPE_CHECKING:
    from memocast.library.library import Library
    from memocast.podcasts.parser import Podcast


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


def look(source: str, state: str, timeout: float) -> tuple[Podcast | None, str]:
    """Read the feed at a URL or in a file; return it with the state to pass next time.

    The feed is None if it has not changed since `state`, which is empty at first. `timeout` as
    in `http_get.get`. Raises NotALink, UsageError, SwarmTimeout, Refused and MemocastError.
    """
    if not is_on_web(source):
        return _look_in_file(Path(source), state)
    try:
        known = http_get.Response(**json.loads(state)) if state else None
    except (ValueError, TypeError):
        known = None
    content = io.BytesIO()
    answer = http_get.get(source, content, MAX_FEED_BYTES, timeout, known)
    if answer is None:
        return None, state
    return parser_process.read(content.getvalue(), answer.url, answer.kind), json.dumps(
        asdict(answer)
    )


def _look_in_file(path: Path, state: str) -> tuple[Podcast | None, str]:
    found = json.dumps(file_stamp(path))
    if found == state:
        return None, state
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FEED_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "no such file"
        raise UsageError(f"cannot read '{path}': {said}", hint="check the file's name") from error
    if len(content) > MAX_FEED_BYTES:
        raise Refused(f"'{path}' is larger than {MAX_FEED_BYTES:,} bytes", hint="is it a feed?")
    return parser_process.read(content, ""), found
