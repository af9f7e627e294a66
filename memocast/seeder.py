"""Seeder: library → swarm, for as long as it runs.

The library is its only input: it looks there for memos that were shared,
fetched, changed or removed. It runs in a process of its own, which the
supervisor starts again when libtorrent crashes; all that happens is told to
`notify`, and once a second a report of how it fares.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from memocast import events
from memocast.errors import LibraryError, MemocastError
from memocast.offer import Offer
from memocast.settings import address
from memocast.shares import stamp
from memocast.swarm import Swarm, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from memocast.library import Library
    from memocast.settings import Settings
    from memocast.shares import Seedable

_TICK_SECONDS = 0.2
_PUBLISH_SECONDS = 1.0
_TALLY_SECONDS = 10.0
_LISTEN_SECONDS = 10.0
_URGENT = 100
"""This many memos are announced ahead of libtorrent's own pace of about 11 a second."""


@dataclass(slots=True)
class Reach:
    """How others can find us. Addresses as text; trackers by URL."""

    listening: list[str] = field(default_factory=list)
    mapped: dict[str, int] = field(default_factory=dict)
    mapping_failed: dict[str, str] = field(default_factory=dict)
    dht_nodes: int = 0
    trackers: dict[str, str] = field(default_factory=dict)


class Seeder:
    """What the seeder's session process does. Its `Supervisor` holds the library's presence."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        notify: Callable[[str, dict[str, Any]], None],
        only: Collection[str] = (),
    ) -> None:
        self._library = library
        self._settings = settings
        self._notify = notify
        self._only = frozenset(only)
        self._offers: dict[str, Offer] = {}
        self._damaged: dict[str, Seedable] = {}
        self._reach = Reach()
        self._swarm = Swarm(settings, settings.addresses(library.listen_port()), exact_port=True)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`. Raises MemocastError when the port is taken."""
        _raise_descriptor_limit()
        try:
            self._await_listening()
            revision = -1
            next_publish = next_tally = 0.0
            while not stopping():
                moment = time.monotonic()
                # A full disk or a locked database passes; the links stay alive meanwhile.
                with contextlib.suppress(LibraryError):
                    current = self._library.revision()
                    if current != revision or self._files_changed():
                        self._follow_library()
                        revision = current
                        next_publish = 0.0
                if moment >= next_publish:
                    self._publish()
                    next_publish = moment + _PUBLISH_SECONDS
                if moment >= next_tally:
                    self._write_tallies()
                    next_tally = moment + _TALLY_SECONDS
                    with contextlib.suppress(LibraryError):
                        self._library.back_up()
                self._take(self._swarm.poll(_TICK_SECONDS))
                self._count(self._swarm.transfers())
        finally:
            self._swarm.poll(_TICK_SECONDS)
            self._count(self._swarm.transfers())
            self._write_tallies()
            self._swarm.close(goodbye=1.0)

    # -- the library -----------------------------------------------------------

    def _follow_library(self) -> None:
        wanted = {
            found.torrent.info_hash: found
            for found in self._library.shares.seedable(
                fetched=self._settings.seed_fetched or bool(self._only)
            )
            if not self._only or found.memo.id in self._only
        }
        for key in [key for key in self._offers if key not in wanted]:
            self._withdraw(key, "removed")
        for key in [key for key in self._damaged if key not in wanted]:
            del self._damaged[key]
        fresh = []
        for key, found in wanted.items():
            if not found.intact:
                self._set_aside(key, found)
            elif key in self._offers:
                self._offers[key].seedable = found
            elif key in self._damaged and self._damaged[key].stamp == found.stamp:
                continue  # its pieces were found wrong, whatever its size and time say
            elif self._offer(key, found):
                fresh.append(key)
        for key in fresh[:_URGENT]:
            self._swarm.announce(key)

    def _offer(self, key: str, found: Seedable) -> bool:
        trackers = dict.fromkeys([*self._settings.trackers, *found.torrent.trackers])
        try:
            self._swarm.seed(key, found.torrent, found.path, trackers)
        except MemocastError:
            self._set_aside(key, found)
            return False
        self._damaged.pop(key, None)
        self._offers[key] = Offer(found)
        self._notify("seeding", {"id": found.memo.id, "info_hash": key})
        return True

    def _withdraw(self, key: str, why: str) -> None:
        offer = self._offers.pop(key)
        self._tally(offer)
        self._swarm.drop(key)
        self._notify(why, {"id": offer.seedable.memo.id})

    def _set_aside(self, key: str, found: Seedable) -> None:
        """Do not offer what is not what was hashed, until the file changes again."""
        known = key in self._damaged
        self._damaged[key] = found
        if key in self._offers:
            self._withdraw(key, "damaged")
        elif not known:
            self._notify("damaged", {"id": found.memo.id})

    def _files_changed(self) -> bool:
        """Whether a file that peers ask for, or one set aside, is not what it was."""
        watched = list(self._damaged.values())
        watched += [
            self._offers[transfer.key].seedable
            for transfer in self._swarm.transfers()
            if transfer.key in self._offers
        ]
        return any(stamp(found.path) != found.stamp for found in watched)

    # -- the swarm -------------------------------------------------------------

    def _await_listening(self) -> None:
        deadline = time.monotonic() + _LISTEN_SECONDS
        while not self._reach.listening:
            for event in self._swarm.poll(_TICK_SECONDS):
                self._take([event])
                if isinstance(event, events.ListenFailed) and event.taken:
                    raise MemocastError(
                        f"port {event.port} on {event.host} is taken by another program",
                        hint="end that program, or choose another port with MEMOCAST_LISTEN"
                        " or 'listen' in config.toml",
                    )
            if time.monotonic() > deadline:
                raise MemocastError(
                    f"cannot listen on {', '.join(self._settings.listen)}",
                    hint="check 'listen': the address must be one of this machine's",
                )

    def _take(self, happened: list[events.Event]) -> None:
        for event in happened:
            match event:
                case events.Listening(host=host, port=port):
                    where = address(host, port)
                    if where not in self._reach.listening:
                        self._reach.listening.append(where)
                        self._notify("listening", {"address": where})
                case events.PortMapped(by=by, port=port):
                    self._reach.mapped[by] = port
                    self._reach.mapping_failed.pop(by, None)
                    self._notify("port_mapped", {"by": by, "port": port})
                case events.PortMappingFailed(by=by, reason=reason):
                    self._reach.mapping_failed[by] = reason
                case events.TrackerAnswered(url=url, peers=peers):
                    self._hear(url, "ok", {"ok": True, "peers": peers})
                case events.TrackerFailed(url=url, reason=reason):
                    self._hear(url, reason, {"ok": False, "reason": reason})
                case events.DhtReady():
                    for key in list(self._offers)[:_URGENT]:
                        self._swarm.announce(key)
                case (
                    events.PieceCorrupted(key=key)
                    | events.FileFailed(key=key)
                    | events.TorrentInvalid(key=key)
                ):
                    if key in self._offers:
                        found = self._offers[key].seedable
                        self._set_aside(key, replace(found, stamp=stamp(found.path)))
        self._reach.dht_nodes = self._swarm.dht_nodes

    def _hear(self, url: str, said: str, facts: dict[str, Any]) -> None:
        if self._reach.trackers.get(url) != said:
            self._reach.trackers[url] = said
            self._notify("tracker", {"url": url, **facts})

    def _count(self, transfers: list[Transfer]) -> None:
        moment = time.monotonic()
        for transfer in transfers:
            offer = self._offers.get(transfer.key)
            if offer is None:
                continue
            offer.count(transfer, moment)
            if offer.new_copies:
                self._tally(offer)
            said = (len(transfer.peers), len(offer.complete_since), transfer.uploaded)
            if said != offer.said:
                offer.said = said
                facts = offer.facts(transfer)
                self._notify("transfer", {"id": offer.seedable.memo.id, **facts})

    # -- what others read ------------------------------------------------------

    def _publish(self) -> None:
        active = {}
        for transfer in self._swarm.transfers():
            offer = self._offers.get(transfer.key)
            if offer:
                active[offer.seedable.memo.id] = offer.facts(transfer)
        report = {
            "session_pid": os.getpid(),
            "seeding": len(self._offers),
            "only": sorted(self._only),
            "damaged": sorted(found.memo.id for found in self._damaged.values()),
            "reach": {
                **asdict(self._reach),
                "listening": [where for where in self._reach.listening if _is_ours(where)],
            },
            "memos": active,
        }
        self._notify("report", report)

    def _write_tallies(self) -> None:
        for offer in self._offers.values():
            self._tally(offer)

    def _tally(self, offer: Offer) -> None:
        if offer.uploaded == offer.tallied and not offer.new_copies:
            return
        try:
            self._library.shares.add_to_tally(
                offer.seedable.memo.id,
                offer.uploaded - offer.tallied,
                offer.new_copies,
                offer.last_copy,
            )
        except LibraryError:
            return  # it is counted with the next tally
        offer.tallied = offer.uploaded
        offer.new_copies = 0


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


def _raise_descriptor_limit() -> None:
    """Each peer and each open file takes a descriptor; many systems begin at 256 or 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
