"""Trackers: which URLs may be contacted and written into links."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CLASSIC_SCHEMES = ("udp://", "http://", "https://")

WEB_SCHEMES = ("ws://", "wss://")
"""WebSocket trackers, which browsers can use."""
TRACKER_SCHEMES = CLASSIC_SCHEMES + WEB_SCHEMES
MAX_TRACKER_URL = 300


def is_tracker(url: str) -> bool:
    """Return whether a tracker's URL may be contacted and written into links."""
    return url.startswith(TRACKER_SCHEMES) and len(url) <= MAX_TRACKER_URL and url.isprintable()


def web_trackers(urls: Iterable[str]) -> list[str]:
    """Return the trackers that browsers can use."""
    return [url for url in urls if url.startswith(WEB_SCHEMES)]
