"""Which trackers of strangers a session asks, and how; the user's own are asked as they are.

A tracker of a link must not be a way to request anything at all inside the user's network, so

* UDP trackers get the same packet wherever they are;
* HTTP trackers are asked by `tracker_relay`;
* WebSocket trackers, which libtorrent asks itself and which cannot redirect, are asked at a
  tracker's usual path, or where nothing inside can be: at public addresses only, which a
  certificate (wss://) ties to the name.

A tracker of a public feed (`public_only`) must not lead inside at all, so

* UDP and ws:// trackers are looked up here, and libtorrent is given their public addresses;
* the relay asks HTTP trackers at public addresses only;
* wss:// trackers need the name for their certificate, so they are asked if all of its addresses are
  public.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from memocast.bittorrent.tracker_relay import TrackerRelay
from memocast.formats.trackers import WEB_SCHEMES, host_of, is_plain
from memocast.network.public_addresses import is_public, literal_addresses
from memocast.network.public_connection import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

_LOOK_UP_SECONDS = 2.0
"""For all hosts of a link."""

_AGAIN_SECONDS = 60.0
"""How long a host that was not found is not looked up again: perhaps there was no network."""

_MOST_HOSTS = 100
"""That are looked up in one session; a link can name thirty."""

_AMBIGUOUS = set("@\\")
"""Characters after which libtorrent could read another host than we do."""


class StrangersTrackers:
    """Knows the user's `own` trackers, and the IP addresses on which the session listens."""

    def __init__(self, own: Iterable[str], addresses: Sequence[str]) -> None:
        self._own = frozenset(own)
        self._addresses = addresses
        self._relay: TrackerRelay | None = None
        self._addresses_of: dict[str, list[IPv4Address | IPv6Address]] = {}
        self._names: dict[str, str] = {}
        self._again: dict[str, float] = {}

    @property
    def know_us(self) -> bool:
        """Whether the relay has told one that we are there, and not yet that we leave."""
        return self._relay is not None and self._relay.is_known

    def allowed(self, urls: Iterable[str], *, public_only: bool = False) -> list[str]:
        """Return those that may be asked. Waits for names to be found for at most two seconds."""
        hosts = {url: self._decisive_host(url, public_only=public_only) for url in urls}
        self._look_up([host for host in hosts.values() if host])
        return [
            url
            for url, host in hosts.items()
            if host is None or (self._pinned(url) if public_only else self._is_outside(host))
        ]

    def _decisive_host(self, url: str, *, public_only: bool) -> str | None:
        """Return the host whose addresses decide; empty if the tracker may not be asked at all.

        None if it may be asked wherever it is, or the relay decides.
        """
        if url in self._own or url.startswith("http"):
            return None
        if not public_only and (not url.startswith(WEB_SCHEMES) or is_plain(url)):
            return None
        host = host_of(url)
        # Without a certificate, a name could lead elsewhere when libtorrent looks it up.
        is_tied = public_only or url.startswith("wss://") or bool(literal_addresses(host))
        return host if is_tied and not set(url) & _AMBIGUOUS else ""

    def _is_outside(self, host: str) -> bool:
        found = self._addresses_of.get(host, [])
        return bool(found) and all(map(is_public, found))

    def _pinned(self, url: str) -> list[str]:
        """Return what leads to the tracker of a public feed at public addresses only.

        One of each family: libtorrent asks a UDP tracker from its own addresses of both.
        """
        host = host_of(url)
        if set(url) & _AMBIGUOUS:
            return []
        if url.startswith("wss://"):
            return [url] if self._is_outside(host) else []
        parts = urlsplit(url)
        try:
            port = "" if parts.port is None else f":{parts.port}"
        except ValueError:
            return []
        found: dict[int, str] = {}
        for each in filter(is_public, self._addresses_of.get(host, [])):
            netloc = (f"[{each}]" if each.version == 6 else str(each)) + port
            place = parts._replace(netloc=netloc, path=parts.path or "/", fragment="").geturl()
            found.setdefault(each.version, place)
        # Over WebSockets each address would take offers of its own.
        return list(found.values())[: 1 if url.startswith(WEB_SCHEMES) else None]

    def _look_up(self, hosts: Iterable[str]) -> None:
        moment = time.monotonic()
        wanted = []
        for host in dict.fromkeys(hosts):
            has_room = host in self._again or len(self._again) < _MOST_HOSTS
            if host not in self._addresses_of and has_room and moment >= self._again.get(host, 0.0):
                self._again[host] = moment + _AGAIN_SECONDS
                wanted.append(host)
        self._addresses_of |= look_up(wanted, _LOOK_UP_SECONDS)

    def placed(self, urls: Iterable[str], *, public_only: bool = False) -> list[str]:
        """Return what libtorrent is to ask for these trackers, which are `allowed`."""
        found: list[str] = []
        for url in urls:
            if url in self._own:
                found.append(url)
            elif url.startswith("http"):
                with contextlib.suppress(OSError):  # no address to listen on: it is not asked
                    self._relay = self._relay or TrackerRelay(self._addresses)
                    found.append(self._relay.place(url, public_only=public_only))
            elif public_only:
                pinned = self._pinned(url)
                self._names.update(dict.fromkeys(pinned, url))
                found += pinned
            else:
                found.append(url)
        return list(dict.fromkeys(found))

    def named(self, url: str, host: str) -> str:
        """Return the tracker that libtorrent speaks of, as it asked it from the address `host`.

        Empty when nothing follows from that: it asks from each of its addresses, and the relay
        is not reached from all, nor is a UDP tracker's only address.
        """
        if url in self._names and url not in self._own:
            is_unreached = url.startswith("udp://") and ("[" in url) != (":" in host)
            return "" if is_unreached else self._names[url]
        tracker = self._relay.tracker(url) if self._relay else url
        if self._relay and tracker != url and not self._relay.is_reached_from(host):
            return ""
        return tracker

    def close(self) -> None:
        """Ask no more. The session must have ended, or have no torrents any more."""
        if self._relay:
            self._relay.close()
