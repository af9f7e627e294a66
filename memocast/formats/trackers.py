"""Trackers: which URLs may be contacted and written into links."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSIC_SCHEMES = ("udp://", "http://", "https://")

WEB_SCHEMES = ("ws://", "wss://")
"""WebSocket trackers, which browsers can use."""
TRACKER_SCHEMES = CLASSIC_SCHEMES + WEB_SCHEMES
MAX_TRACKER_URL = 300

PLAIN_PATH = "/announce"
_PLAIN_WEB_PATHS = ("", "/", PLAIN_PATH, "/tracker/socket")
"""Of WebSocket trackers; the last is PeerTube's."""


def is_tracker(url: str) -> bool:
    """Return whether a tracker's URL may be contacted and written into links."""
    return url.startswith(TRACKER_SCHEMES) and len(url) <= MAX_TRACKER_URL and url.isprintable()


def web_trackers(urls: Iterable[str]) -> list[str]:
    """Return the trackers that browsers can use."""
    return [url for url in urls if url.startswith(WEB_SCHEMES)]


def is_plain(url: str) -> bool:
    """Return whether all that a tracker's URL chooses is a host and a port.

    Its path is one that trackers have, and there is no query: asking there is harmless, whatever
    answers.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    paths = _PLAIN_WEB_PATHS if url.startswith(WEB_SCHEMES) else (PLAIN_PATH,)
    return parts.path in paths and "@" not in parts.netloc and not set(url) & set("?#\\")


def host_of(url: str) -> str:
    """Return the host in a tracker's URL, empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
