"""Offers: the memos that one session offers, as long as their files are what was hashed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memocast.bittorrent import events
from memocast.errors import LibraryError, MemocastError
from memocast.files import file_stamp
from memocast.seeding.upload_slots import UploadSlots
from memocast.seeding.upload_tally import UploadTally, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from memocast.bittorrent.session import Session
    from memocast.bittorrent.torrent_status import TorrentStatus
    from memocast.library.library import Library
    from memocast.library.tables.seedables import Seedable


_AT_ONCE = 1_000
"""Torrents that libtorrent is given between two looks at what happens in the swarm."""


class SeededTorrents:
    """What a swarm seeds, by info-hash.

    `notify` hears `seeding`, `removed`, `damaged` and `transfer`, as `seed --json` prints them.
    """

    def __init__(
        self,
        library: Library,
        swarm: Session,
        trackers: Iterable[str],
        notify: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._library = library
        self._swarm = swarm
        self._trackers = tuple(trackers)
        self._notify = notify
        self._offered: dict[str, Seedable] = {}
        self._waiting: dict[str, Seedable] = {}  # to be handed over, the first ones first
        self._handed: dict[str, Seedable] = {}  # to libtorrent, which has not answered yet
        self._damaged: dict[str, Seedable] = {}
        self._counts: dict[str, UploadTally] = {}  # of those that ever had a peer
        self._fresh: list[str] = []
        self._memos: int | None = None
        self._busy: set[str] = set()
        self._crowd = UploadSlots()

    def __iter__(self) -> Iterator[str]:
        return iter(self._offered)

    def __contains__(self, key: object) -> bool:
        return key in self._offered

    def follow(self, wanted: Mapping[str, Seedable]) -> None:
        """From now on, offer these and no others."""
        for known in (self._offered, self._handed):
            for key in [key for key in known if key not in wanted]:
                self._withdraw(key, "removed")
        self._damaged = {key: found for key, found in self._damaged.items() if key in wanted}
        self._waiting = {}
        for key, found in wanted.items():
            if not found.intact:
                self._set_aside(key, found)
            elif key in self._offered:
                self._offered[key] = found
            elif key in self._handed:
                self._handed[key] = found
            elif key in self._damaged and self._damaged[key].stamp == found.stamp:
                continue  # its pieces were found wrong, whatever its size and time say
            else:
                self._waiting[key] = found

    def hand_over(self) -> None:
        """Give libtorrent the next of those that are to be offered."""
        for key in list(self._waiting)[:_AT_ONCE]:
            found = self._waiting.pop(key)
            trackers = dict.fromkeys([*self._trackers, *found.trackers])
            try:
                content = self._library.seedables.content(found)
                if content is None:
                    continue
                self._swarm.seed(key, content, found.file, trackers)
            except LibraryError:
                self._waiting[key] = found
                raise
            except MemocastError:
                self._set_aside(key, found)
            else:
                self._handed[key] = found

    def _is_offered(self, key: str) -> None:
        found = self._handed.pop(key)
        self._damaged.pop(key, None)
        self._offered[key] = found
        self._memos = None
        self._fresh.append(key)
        if found.memo:
            self._notify("seeding", {"id": found.memo, "info_hash": key})

    def fresh(self) -> list[str]:
        """The info-hashes that are offered since the last time."""
        fresh, self._fresh = self._fresh, []
        return [key for key in fresh if key in self._offered]

    def _withdraw(self, key: str, why: str) -> None:
        found = self._offered.pop(key, None) or self._handed.pop(key)
        if offer := self._counts.pop(key, None):
            self._tally(key, offer)
        self._swarm.drop(key)
        self._memos = None
        if found.memo:
            self._notify(why, {"id": found.memo})

    def _set_aside(self, key: str, found: Seedable) -> None:
        """Do not offer what is not what was hashed, until the file changes again."""
        known = key in self._damaged
        self._damaged[key] = found
        if key in self._offered or key in self._handed:
            self._withdraw(key, "damaged")
        elif not known:
            self._memos = None
            if found.memo:
                self._notify("damaged", {"id": found.memo})

    @property
    def are_pending(self) -> bool:
        """Whether some that are to be offered are not yet."""
        return bool(self._waiting or self._handed)

    @property
    def have_changed(self) -> bool:
        """Whether what is offered is not what was reported last."""
        return self._memos is None

    def files_changed(self) -> bool:
        """Whether a file that peers ask for, or one set aside, is not what it was."""
        watched = list(self._damaged.values())
        watched += [self._offered[transfer.key] for transfer in self._active()]
        return any(file_stamp(found.file) != found.stamp for found in watched)

    def take(self, event: events.Event) -> None:
        """Note what libtorrent took on; set a memo aside that the swarm found to be damaged."""
        damage = events.PieceCorrupted | events.FileFailed | events.TorrentInvalid
        if isinstance(event, events.Added) and event.key in self._handed:
            self._is_offered(event.key)
        elif isinstance(event, damage) and (
            found := self._offered.get(event.key) or self._handed.get(event.key)
        ):
            self._set_aside(event.key, replace(found, stamp=file_stamp(found.file)))

    def count(self) -> None:
        """Count what peers took since the last time, and how many of them to serve at once."""
        moment = time.monotonic()
        active = self._active()
        self._swarm.serve(self._crowd.places(active, moment))
        for transfer in active:
            key, found = transfer.key, self._offered[transfer.key]
            offer = self._counts.setdefault(key, UploadTally(found.size))
            offer.count(transfer, moment)
            if offer.new_copies:
                self._tally(key, offer)
            said = (len(transfer.peers), len(offer.complete_since), transfer.uploaded)
            if said != offer.said:
                offer.said = said
                self._busy.add(key)
                facts = {"id": found.memo, "info_hash": key, **offer.facts(transfer)}
                if found.memo:
                    self._notify("transfer", facts)

    def _active(self) -> list[TorrentStatus]:
        return [transfer for transfer in self._swarm.statuses() if transfer.key in self._offered]

    def busy(self) -> set[str]:
        """The info-hashes whose peers came, went or took something since the last time."""
        busy, self._busy = self._busy, set()
        return busy & self._offered.keys()

    def peers(self) -> dict[str, int]:
        """How many peers each info-hash has now that has had one since the session began."""
        return {transfer.key: len(transfer.peers) for transfer in self._active()}

    def stalled(self, seconds: int) -> set[tuple[str, str]]:
        """Peers that want something and have taken nothing for that long: info-hash and host."""
        return {
            (transfer.key, peer.host)
            for transfer in self._active()
            for peer in transfer.peers
            if peer.stalled >= seconds and not peer.complete
        }

    def report(self) -> dict[str, Any]:
        """How many memos are offered, which are damaged, and how the active ones fare.

        `memos` has them by id, `torrents` by info-hash.
        """
        if self._memos is None:
            self._memos = len({found.memo for found in self._offered.values()} - {""})
        torrents = {}
        memos: dict[str, dict[str, Any]] = {}
        for transfer in self._active():
            offer = self._counts.get(transfer.key)
            if offer is None:  # its first peer has just come
                continue
            facts = torrents[transfer.key] = offer.facts(transfer)
            memo = self._offered[transfer.key].memo
            if not memo:
                continue
            memos[memo] = together(memos.get(memo), facts)
        return {
            "seeding": self._memos,
            "damaged": sorted({found.memo for found in self._damaged.values()} - {""}),
            "memos": memos,
            "torrents": torrents,
        }

    def write_tallies(self) -> None:
        """Write down in the library what was counted."""
        for key, offer in self._counts.items():
            self._tally(key, offer)

    def _tally(self, key: str, offer: UploadTally) -> None:
        if offer.uploaded == offer.tallied and not offer.new_copies:
            return
        try:
            self._library.shares.add_to_tally(
                key, offer.uploaded - offer.tallied, offer.new_copies, offer.last_copy
            )
        except LibraryError:
            return  # it is counted with the next tally
        offer.tallied = offer.uploaded
        offer.new_copies = 0
