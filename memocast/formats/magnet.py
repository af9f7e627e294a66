"""Magnet links (BEP 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

LAN = "lan"
"""The value of `x.scope` in a link to what is on one local network only."""


def feed_page_magnet(info_hash: str, name: str, trackers: Iterable[str]) -> str:
    """The link of a page of a channel's feed."""
    parts = [f"xt=urn:btih:{info_hash}", f"dn={quote(name, safe='')}"]
    return "magnet:?" + "&".join([*parts, *(f"tr={quote(url, safe='')}" for url in trackers)])
