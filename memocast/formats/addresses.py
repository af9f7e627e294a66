"""Addresses: `HOST:PORT`, and the URL of a listening page."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from memocast.formats.trackers import MAX_TRACKER_URL

PAGE_URL_HINT = "use the address of a listening page, such as https://example.org/listen/"


def host_and_port(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`, where HOST is an IP address (IPv6 in brackets). Raises ValueError."""
    import ipaddress

    host, port = _split(text)
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1])), port
    return str(ipaddress.IPv4Address(host)), port


def _split(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65_535:
        raise ValueError(text)
    return host, int(port)


def address(host: str, port: int) -> str:
    """Return `HOST:PORT` as `host_and_port` reads it: IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def page_address(url: str) -> str:
    """Return `url` if a link can begin with it. Raises ValueError otherwise."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(url)
    if "#" in url or not url.isprintable() or " " in url or len(url) > MAX_TRACKER_URL:
        raise ValueError(url)
    return url


def is_node(text: str) -> bool:
    """Return whether it is `HOST:PORT`, with a host name or an IP address.

    No commas or spaces: libtorrent takes all nodes as one text, separated by commas.
    """
    try:
        host, _ = _split(text)
    except ValueError:
        return False
    return host.isprintable() and not set(host) & set(", ")
