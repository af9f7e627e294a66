"""Offers: the memos that one session offers, as long as their files are what was hashed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memocast import events
from memocast.errors import LibraryError, MemocastError
from memocast.files import stamp
from memocast.offer import Offer, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from memocast.library import Library
    from memocast.shares import Seedable
    from memocast.swarm import Swarm, Transfer


class Offers:
    """What a swarm seeds, by info-hash.

    `notify` hears `seeding`, `removed`, `damaged` and `transfer`, as `seed --json` prints them.
    """

    def __init__(
        self,
        library: Library,
        swarm: Swarm,
        trackers: Iterable[str],
        notify: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._library = library
        self._swarm = swarm
        self._trackers = tuple(trackers)
        self._notify = notify
        self._offers: dict[str, Offer] = {}
        self._damaged: dict[str, Seedable] = {}
        self._busy: set[str] = set()

    def __len__(self) -> int:
        return len(self._offers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._offers)

    def follow(self, wanted: Mapping[str, Seedable]) -> list[str]:
        """Offer these and no others; return the info-hashes that are new."""
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
        return fresh

    def _offer(self, key: str, found: Seedable) -> bool:
        trackers = dict.fromkeys([*self._trackers, *found.torrent.trackers])
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

    def files_changed(self) -> bool:
        """Whether a file that peers ask for, or one set aside, is not what it was."""
        watched = list(self._damaged.values())
        watched += [offer.seedable for offer, _ in self._active()]
        return any(stamp(found.path) != found.stamp for found in watched)

    def take(self, event: events.Event) -> None:
        """Set a memo aside that the swarm found to be damaged."""
        damage = events.PieceCorrupted | events.FileFailed | events.TorrentInvalid
        if isinstance(event, damage) and event.key in self._offers:
            found = self._offers[event.key].seedable
            self._set_aside(event.key, replace(found, stamp=stamp(found.path)))

    def count(self) -> None:
        """Count what peers took since the last time."""
        moment = time.monotonic()
        for offer, transfer in self._active():
            offer.count(transfer, moment)
            if offer.new_copies:
                self._tally(offer)
            said = (len(transfer.peers), len(offer.complete_since), transfer.uploaded)
            if said != offer.said:
                offer.said = said
                self._busy.add(transfer.key)
                facts = offer.facts(transfer)
                said_of = {"id": offer.seedable.memo.id, "info_hash": transfer.key}
                self._notify("transfer", {**said_of, **facts})

    def _active(self) -> list[tuple[Offer, Transfer]]:
        return [
            (self._offers[transfer.key], transfer)
            for transfer in self._swarm.transfers()
            if transfer.key in self._offers
        ]

    def busy(self) -> set[str]:
        """The info-hashes whose peers came, went or took something since the last time."""
        busy, self._busy = self._busy, set()
        return busy & self._offers.keys()

    def peers(self) -> dict[str, int]:
        """How many peers each info-hash has now that has had one since the session began."""
        return {transfer.key: len(transfer.peers) for _, transfer in self._active()}

    def stalled(self, seconds: int) -> set[tuple[str, str]]:
        """Peers that want something and have taken nothing for that long: info-hash and host."""
        return {
            (transfer.key, peer.host)
            for _, transfer in self._active()
            for peer in transfer.peers
            if peer.stalled >= seconds and not peer.complete
        }

    def report(self) -> dict[str, Any]:
        """How many memos are offered, which are damaged, and how the active ones fare.

        `memos` has them by id, `torrents` by info-hash.
        """
        torrents = {}
        memos: dict[str, dict[str, Any]] = {}
        for offer, transfer in self._active():
            facts = torrents[transfer.key] = offer.facts(transfer)
            memo_id = offer.seedable.memo.id
            memos[memo_id] = together(memos.get(memo_id), facts)
        return {
            "seeding": len({offer.seedable.memo.id for offer in self._offers.values()}),
            "damaged": sorted({found.memo.id for found in self._damaged.values()}),
            "memos": memos,
            "torrents": torrents,
        }

    def write_tallies(self) -> None:
        """Write down in the library what was counted."""
        for offer in self._offers.values():
            self._tally(offer)

    def _tally(self, offer: Offer) -> None:
        if offer.uploaded == offer.tallied and not offer.new_copies:
            return
        try:
            self._library.shares.add_to_tally(
                offer.seedable.share.info_hash,
                offer.uploaded - offer.tallied,
                offer.new_copies,
                offer.last_copy,
            )
        except LibraryError:
            return  # it is counted with the next tally
        offer.tallied = offer.uploaded
        offer.new_copies = 0
