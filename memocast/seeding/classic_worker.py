"""The worker that seeds to BitTorrent clients, everywhere or on the local network only."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.bittorrent.session import Session
from memocast.errors import LibraryError, MemocastError
from memocast.formats.addresses import address
from memocast.formats.trackers import web_trackers
from memocast.library.seeder_report import Listening, PortMapped, Reach, WorkerReport
from memocast.processes.descriptor_limit import raise_descriptor_limit
from memocast.seeding.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.library.library import Library
    from memocast.library.seeder_report import Event
    from memocast.library.tables.seedables import Seedable
    from memocast.settings import Settings

_LISTEN_SECONDS = 10.0
_URGENT = 100
"""The most torrents that wait to be announced ahead of libtorrent's own pace, about 11 a second."""

_URGENT_AT_ONCE = 25
_DHT_RETRY_SECONDS = 0.5
_MOST_ADDRESSES = 100
"""A machine that travels, or that has a new IPv6 address each day, has had many; few are its own
still, and each is tried for every report."""


class ClassicWorker(Worker):
    """The worker that seeds to BitTorrent clients; with `lan`, on the local network only."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        notify: Callable[[Event], None],
        only: Collection[str] = (),
        *,
        lan: bool = False,
    ) -> None:
        if lan:
            settings = settings.on_lan()
        addresses = settings.addresses(library.listen_port(lan=lan))
        session = Session.classic(settings, addresses, exact_port=True, lan=lan)
        self._lan = lan
        super().__init__(library, settings, session, notify, only)
        self._listening: list[str] = []
        self._mapped: dict[str, int] = {}
        self._mapping_failed: dict[str, str] = {}
        self._for_browsers = self._for_lan = False
        self._to_sync = ""
        self._urgent: list[str] = []
        self._was_on_dht = False
        self._next_try = 0.0

    def begin(self) -> None:
        """Wait until peers can connect. Raises MemocastError when the port is taken."""
        raise_descriptor_limit()
        deadline = time.monotonic() + _LISTEN_SECONDS
        while not self._listening:
            for event in self.poll():
                if isinstance(event, events.ListenFailed) and event.taken:
                    raise MemocastError(
                        f"port {event.port} on {event.host} is taken by another program",
                        hint="stop that program, or choose another port with MEMOCAST_LISTEN"
                        " or 'listen' in config.toml",
                    )
            if time.monotonic() > deadline:
                raise MemocastError(
                    f"cannot listen on {', '.join(self.settings.listen)}",
                    hint="check 'listen': the address must be one of this machine's",
                )

    def wanted(self) -> Mapping[str, Seedable]:
        """Return all shared and fetched memos, or only those named, and the pages of feeds."""
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
        """Ask the DHT until it answers: libtorrent takes 15 s to notice a failed bootstrap."""
        if self._was_on_dht or not self.settings.dht:
            return
        if self.session.dht_nodes:
            self._was_on_dht = True
            self._urgent = list(self.torrents)[:_URGENT]
        elif moment >= self._next_try:
            self._next_try = moment + _DHT_RETRY_SECONDS
            for key in list(self.torrents)[:1]:
                self.session.announce_to_dht(key)

    def tick(self, moment: float) -> None:
        """Announce new torrents at once, a limited number at a time."""
        self._join_dht(moment)
        self._urgent.extend(self.torrents.fresh()[: max(0, _URGENT - len(self._urgent))])
        for key in self._urgent[:_URGENT_AT_ONCE]:
            if key in self.torrents:
                self.session.announce(key)
        del self._urgent[:_URGENT_AT_ONCE]

    def tallied(self) -> None:
        """Back up the database as well."""
        with contextlib.suppress(LibraryError):
            self.library.back_up()

    def take(self, event: events.Event) -> None:
        """Note how peers can reach us."""
        match event:
            case events.Listening(host=host, port=port):
                where = address(host, port)
                if where not in self._listening:
                    self._listening = [*self._listening[1 - _MOST_ADDRESSES :], where]
                    self.notify(Listening(where))
            case events.PortMapped(by=by, port=port):
                self._mapped[by] = port
                self._mapping_failed.pop(by, None)
                self.notify(PortMapped(by, port))
            case events.PortMappingFailed(by=by, reason=reason):
                self._mapping_failed[by] = reason
            case events.DhtReady():
                self._urgent = list(self.torrents)[:_URGENT]
            case _:
                super().take(event)

    def report(self) -> WorkerReport:
        """Return the worker's state, how peers reach it, and what other workers have to do."""
        return replace(
            super().report(),
            only=sorted(self.only),
            for_browsers=self._for_browsers,
            for_lan=self._for_lan,
            to_sync=self._to_sync,
            reach=Reach(
                [where for where in self._listening if _is_ours(where)],
                self._mapped,
                self._mapping_failed,
                self.session.dht_nodes,
                self.trackers,
            ),
        )


def _is_ours(where: str) -> bool:
    """Return whether this machine still has the address: no event says when it loses one."""
    host = where.rpartition(":")[0].strip("[]")
    try:
        # A link-local address contains its interface, which only this function parses.
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        family, kind, _, _, target = found[0]
        with socket.socket(family, kind) as probe:
            probe.bind(target)
    except OSError:
        return False
    return True
