"""Seeder: the session that offers memos to BitTorrent clients, everywhere or on the LAN only."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from memocast.bittorrent import events
from memocast.bittorrent.session import Session
from memocast.errors import LibraryError, MemocastError
from memocast.formats.addresses import address
from memocast.formats.trackers import web_trackers
from memocast.seeding.worker import Worker, raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.library.library import Library
    from memocast.library.tables.seedables import Seedable
    from memocast.settings import Settings

_LISTEN_SECONDS = 10.0
_URGENT = 100
"""This many memos can wait to be announced ahead of libtorrent's own pace of about 11 a second."""

_URGENT_AT_ONCE = 25
_DHT_RETRY_SECONDS = 0.5


@dataclass(slots=True)
class Reach:
    """How others can find us. Addresses as text."""

    listening: list[str] = field(default_factory=list)
    mapped: dict[str, int] = field(default_factory=dict)
    mapping_failed: dict[str, str] = field(default_factory=dict)
    dht_nodes: int = 0


class ClassicWorker(Worker):
    """What the seeder's classic session process does, and with `lan` its LAN session process."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        notify: Callable[[str, dict[str, Any]], None],
        only: Collection[str] = (),
        *,
        lan: bool = False,
    ) -> None:
        if lan:
            settings = settings.on_lan()
        addresses = settings.addresses(library.listen_port(lan=lan))
        swarm = Session.classic(settings, addresses, exact_port=True, lan=lan)
        self._lan = lan
        super().__init__(library, settings, swarm, notify, only)
        self._reach = Reach()
        self._for_browsers = self._for_lan = False
        self._to_sync = ""
        self._urgent: list[str] = []
        self._was_on_dht = False
        self._next_try = 0.0

    def begin(self) -> None:
        """Wait until peers can connect. Raises MemocastError when the port is taken."""
        raise_descriptor_limit()
        deadline = time.monotonic() + _LISTEN_SECONDS
        while not self._reach.listening:
            for event in self.poll():
                if isinstance(event, events.ListenFailed) and event.taken:
                    raise MemocastError(
                        f"port {event.port} on {event.host} is taken by another program",
                        hint="end that program, or choose another port with MEMOCAST_LISTEN"
                        " or 'listen' in config.toml",
                    )
            if time.monotonic() > deadline:
                raise MemocastError(
                    f"cannot listen on {', '.join(self.settings.listen)}",
                    hint="check 'listen': the address must be one of this machine's",
                )

    def wanted(self) -> Mapping[str, Seedable]:
        """All memos that were shared or fetched, or of them only those named."""
        every = [
            found
            for found in self.library.seedables.all(
                fetched=self.settings.seed_fetched or bool(self.only)
            )
            if not self.only or found.memo in self.only
        ]
        if not self.only:
            every += self.library.seedables.pages(fetched=self.settings.seed_fetched)
        self._to_sync = self.library.channels.to_sync()
        self._for_lan = not self._lan and any(found.lan for found in every)
        found = {found.info_hash: found for found in every if found.lan == self._lan}
        known = {*self.settings.trackers} if found else set()
        for seedable in found.values():
            known.update(seedable.trackers)
        self._for_browsers = self.settings.webrtc and bool(web_trackers(known))
        return found

    def _join_dht(self, moment: float) -> None:
        """Have it asked until it answers: of a bootstrap in vain libtorrent hears after 15 s."""
        if self._was_on_dht or not self.settings.dht:
            return
        if self.swarm.dht_nodes:
            self._was_on_dht = True
            self._urgent = list(self.offers)[:_URGENT]
        elif moment >= self._next_try:
            self._next_try = moment + _DHT_RETRY_SECONDS
            for key in list(self.offers)[:1]:
                self.swarm.announce_to_dht(key)

    def tick(self, moment: float) -> None:
        """Announce what is new at once; of very many, some."""
        self._join_dht(moment)
        self._urgent.extend(self.offers.fresh()[: max(0, _URGENT - len(self._urgent))])
        for key in self._urgent[:_URGENT_AT_ONCE]:
            if key in self.offers:
                self.swarm.announce(key)
        del self._urgent[:_URGENT_AT_ONCE]

    def tallied(self) -> None:
        """Renew the copies of the database, too."""
        with contextlib.suppress(LibraryError):
            self.library.back_up()

    def take(self, event: events.Event) -> None:
        """Note how others can reach us."""
        match event:
            case events.Listening(host=host, port=port):
                where = address(host, port)
                if where not in self._reach.listening:
                    self._reach.listening.append(where)
                    self.notify("listening", {"address": where})
            case events.PortMapped(by=by, port=port):
                self._reach.mapped[by] = port
                self._reach.mapping_failed.pop(by, None)
                self.notify("port_mapped", {"by": by, "port": port})
            case events.PortMappingFailed(by=by, reason=reason):
                self._reach.mapping_failed[by] = reason
            case events.DhtReady():
                self._urgent = list(self.offers)[:_URGENT]
            case _:
                super().take(event)

    def report(self) -> dict[str, Any]:
        """How the session fares, how others reach it, and whether browsers have a way to."""
        report = super().report()
        trackers = report.pop("trackers")
        self._reach.dht_nodes = self.swarm.dht_nodes
        return {
            **report,
            "only": sorted(self.only),
            "for_browsers": self._for_browsers,
            "for_lan": self._for_lan,
            "to_sync": self._to_sync,
            "reach": {
                **asdict(self._reach),
                "listening": [where for where in self._reach.listening if _is_ours(where)],
                "trackers": trackers,
            },
        }


def _is_ours(where: str) -> bool:
    """Whether this machine still has the address: nobody says when one goes with its network."""
    host = where.rpartition(":")[0].strip("[]")
    try:
        # A link-local address has its interface in it, which only this function reads.
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, kind, _, _, target = found[0]
        with socket.socket(family, kind) as probe:
            probe.bind(target)
    except OSError:
        return False
    return True
