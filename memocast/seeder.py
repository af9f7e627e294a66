"""Seeder: library → swarm, for as long as it runs.

The library is its only input: it looks there for memos that were shared,
fetched, changed or removed, and everyone else finds how it fares in
`seeder.json`. The session for browsers will run beside this one in a process
that `Seeder` starts and watches.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast import __version__, events
from memocast.errors import MemocastError
from memocast.memo import rfc3339
from memocast.settings import address
from memocast.swarm import Swarm, Transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from memocast.library import Library
    from memocast.presence import Presence
    from memocast.settings import Settings
    from memocast.shares import Seedable

SAFE_SECONDS = 10.0
"""A copy counts as one to rely on when it is still there this long after it was complete."""

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


@dataclass(slots=True)
class _Offer:
    """One memo on offer, and what its swarm took since the last tally."""

    seedable: Seedable
    stamp: tuple[int, int]
    uploaded: int = 0
    tallied: int = 0
    new_copies: int = 0
    last_copy: int | None = None
    complete_since: dict[str, float] = field(default_factory=dict)
    sent_to_complete: dict[str, int] = field(default_factory=dict)
    unseen_copies: int = 0
    said: tuple[int, int, int] = (0, 0, 0)

    def count(self, transfer: Transfer, moment: float) -> None:
        """Count copies: complete peers, and those that came and went between two looks.

        The latter show in the bytes: as many as make a copy were sent to
        peers that are gone and were never seen complete.
        """
        self.uploaded = transfer.uploaded
        complete = {peer.identity: peer.sent for peer in transfer.peers if peer.complete}
        self.complete_since = {
            identity: self.complete_since.get(identity, moment) for identity in complete
        }
        fresh = len(complete.keys() - self.sent_to_complete.keys())
        self.sent_to_complete |= complete
        accounted = sum(self.sent_to_complete.values()) + sum(
            peer.sent for peer in transfer.peers if not peer.complete
        )
        unseen = (transfer.uploaded - accounted) // max(self.seedable.memo.size, 1)
        if unseen > self.unseen_copies:
            fresh += unseen - self.unseen_copies
            self.unseen_copies = unseen
        if fresh:
            self.new_copies += fresh
            self.last_copy = int(time.time())


class Seeder:
    """The one long-running process of a library. The caller holds its `Presence`."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        presence: Presence,
        notify: Callable[[str, dict[str, Any]], None],
        only: Collection[str] = (),
    ) -> None:
        self._library = library
        self._settings = settings
        self._presence = presence
        self._notify = notify
        self._only = frozenset(only)
        self._offers: dict[str, _Offer] = {}
        self._damaged: set[str] = set()
        self._reach = Reach()
        self._started = datetime.now(UTC)
        self._swarm = Swarm(settings, settings.addresses(library.listen_port()), exact_port=True)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`. Raises MemocastError when the port is taken."""
        _raise_descriptor_limit()
        try:
            self._await_listening()
            revision = -1
            next_publish = next_tally = 0.0
            while not stopping():
                current = self._library.revision()
                if current != revision:
                    revision = current
                    self._follow_library()
                    next_publish = 0.0
                moment = time.monotonic()
                if moment >= next_publish:
                    self._look_after_files()
                    self._publish()
                    next_publish = moment + _PUBLISH_SECONDS
                if moment >= next_tally:
                    self._write_tallies()
                    next_tally = moment + _TALLY_SECONDS
                self._take(self._swarm.poll(_TICK_SECONDS))
                self._count(self._swarm.transfers())
        finally:
            self._count(self._swarm.transfers())
            self._write_tallies()
            self._swarm.close()

    # -- the library -----------------------------------------------------------

    def _follow_library(self) -> None:
        wanted = {
            found.torrent.info_hash: found
            for found in self._library.shares.seedable(fetched=self._settings.seed_fetched)
            if not self._only or found.memo.id in self._only
        }
        for key in [key for key in self._offers if key not in wanted]:
            self._withdraw(key, "removed")
        fresh = [key for key in wanted if key not in self._offers]
        for key in fresh:
            self._offer(key, wanted[key])
        for key in fresh[:_URGENT]:
            if key in self._offers:
                self._swarm.announce(key)

    def _offer(self, key: str, found: Seedable) -> None:
        if not found.intact:
            if found.memo.id not in self._damaged:
                self._damaged.add(found.memo.id)
                self._notify("damaged", {"id": found.memo.id})
            return
        status = found.path.stat()
        self._damaged.discard(found.memo.id)
        trackers = dict.fromkeys([*self._settings.trackers, *found.torrent.trackers])
        self._swarm.seed(key, found.torrent, found.path, trackers)
        self._offers[key] = _Offer(found, (status.st_size, status.st_mtime_ns))
        self._notify("seeding", {"id": found.memo.id, "info_hash": key})

    def _withdraw(self, key: str, why: str) -> None:
        offer = self._offers.pop(key)
        self._tally(offer)
        self._swarm.drop(key)
        self._notify(why, {"id": offer.seedable.memo.id})

    def _look_after_files(self) -> None:
        """Stop offering a file that changed: pieces already hashed would go out wrong."""
        for transfer in self._swarm.transfers():
            offer = self._offers.get(transfer.key)
            if offer is None:
                continue
            try:
                status = offer.seedable.path.stat()
                stamp = (status.st_size, status.st_mtime_ns)
            except FileNotFoundError:
                stamp = (0, 0)
            if stamp != offer.stamp:
                self._damage(transfer.key)

    def _damage(self, key: str) -> None:
        if key in self._offers:
            self._damaged.add(self._offers[key].seedable.memo.id)
            self._withdraw(key, "damaged")

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
                case events.PieceCorrupted(key=key) | events.FileFailed(key=key):
                    self._damage(key)
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
                facts = _facts(offer, transfer)
                self._notify("transfer", {"id": offer.seedable.memo.id, **facts})

    # -- what others read ------------------------------------------------------

    def _publish(self) -> None:
        active = {}
        for transfer in self._swarm.transfers():
            offer = self._offers.get(transfer.key)
            if offer:
                active[offer.seedable.memo.id] = _facts(offer, transfer)
        report = {
            "pid": os.getpid(),
            "version": __version__,
            "started": rfc3339(self._started),
            "seeding": len(self._offers),
            "only": sorted(self._only),
            "damaged": sorted(self._damaged),
            "reach": asdict(self._reach),
            "memos": active,
        }
        self._presence.publish(report)
        self._notify("report", report)

    def _write_tallies(self) -> None:
        for offer in self._offers.values():
            self._tally(offer)

    def _tally(self, offer: _Offer) -> None:
        if offer.uploaded == offer.tallied and not offer.new_copies:
            return
        self._library.shares.add_to_tally(
            offer.seedable.memo.id,
            offer.uploaded - offer.tallied,
            offer.new_copies,
            offer.last_copy,
        )
        offer.tallied = offer.uploaded
        offer.new_copies = 0


def _facts(offer: _Offer, transfer: Transfer) -> dict[str, Any]:
    moment = time.monotonic()
    return {
        "peers": len(transfer.peers),
        "upload_rate": transfer.upload_rate,
        "uploaded": transfer.uploaded,
        "copies": len(offer.complete_since),
        "safe": any(moment - since >= SAFE_SECONDS for since in offer.complete_since.values()),
    }


def _raise_descriptor_limit() -> None:
    """Each peer and each open file takes a descriptor; many systems begin at 256 or 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
