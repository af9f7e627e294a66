"""Which trackers of strangers a session asks, and how; the user's own are asked as they are.

A tracker of a link must not be a way to request anything at all inside the user's network, so

* UDP trackers get the same packet wherever they are;
* HTTP trackers are asked by `tracker_relay`;
* WebSocket trackers, which libtorrent asks itself and which cannot redirect, are asked at a
  tracker's usual path, or where nothing inside can be: at public addresses only, which a
  certificate (wss://) ties to the name.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from memocast.bittorrent.tracker_relay import TrackerRelay
from memocast.formats.trackers import WEB_SCHEMES, host_of, is_plain
from memocast.network.public_addresses import literal_addresses
from memocast.network.public_connection import are_outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
        self._outside: dict[str, bool] = {}
        self._again: dict[str, float] = {}

    @property
    def know_us(self) -> bool:
        """Whether the relay has told one that we are there, and not yet that we leave."""
        return self._relay is not None and self._relay.is_known

    def allowed(self, urls: Iterable[str]) -> list[str]:
        """Return those that may be asked. Waits for names to be found for at most two seconds."""
        hosts = {url: self._decisive_host(url) for url in urls}
        self._look_up([host for host in hosts.values() if host])
        return [url for url, host in hosts.items() if host is None or self._outside.get(host)]

    def _decisive_host(self, url: str) -> str | None:
        """Return the host that must be outside; None if the tracker may be asked wherever it is.

        Empty if it may not be asked at all.
        """
        if url in self._own or not url.startswith(WEB_SCHEMES) or is_plain(url):
            return None
        host = host_of(url)
        # Without a certificate, a name could lead elsewhere when libtorrent looks it up.
        is_tied = url.startswith("wss://") or bool(literal_addresses(host))
        return host if is_tied and not set(url) & _AMBIGUOUS else ""

    def _look_up(self, hosts: Iterable[str]) -> None:
        moment = time.monotonic()
        wanted = []
        for host in dict.fromkeys(hosts):
            has_room = host in self._again or len(self._again) < _MOST_HOSTS
            if host not in self._outside and has_room and moment >= self._again.get(host, 0.0):
                self._again[host] = moment + _AGAIN_SECONDS
                wanted.append(host)
        self._outside |= are_outside(wanted, _LOOK_UP_SECONDS)

    def placed(self, urls: Iterable[str]) -> list[str]:
        """Return what libtorrent is to ask for these trackers."""
        found: list[str] = []
        for url in urls:
            if not url.startswith("http") or url in self._own:
                found.append(url)
                continue
            with contextlib.suppress(OSError):  # no address to listen on: it is not asked
                self._relay = self._relay or TrackerRelay(self._addresses)
                found.append(self._relay.place(url))
        return found

    def named(self, url: str, host: str) -> str:
        """Return the tracker that libtorrent speaks of, as it asked it from the address `host`.

        Empty when nothing follows from that: it asks from each of its addresses, and the relay
        is not reached from all.
        """
        tracker = self._relay.tracker(url) if self._relay else url
        if self._relay and tracker != url and not self._relay.is_reached_from(host):
            return ""
        return tracker

    def close(self) -> None:
        """Ask no more. The session must have ended, or have no torrents any more."""
        if self._relay:
            self._relay.close()
