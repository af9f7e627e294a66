"""The torrents that one worker seeds, as long as their files are unchanged."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.errors import LibraryError, MemocastError
from memocast.files import file_stamp
from memocast.library.seeder_report import Damaged, Removed, Seeding, Transfer, Uploads
from memocast.seeding.upload_slots import UploadSlots
from memocast.seeding.upload_tally import UploadTally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from memocast.bittorrent.session import Session
    from memocast.bittorrent.torrent_status import TorrentStatus
    from memocast.library.library import Library
    from memocast.library.seeder_report import Event
    from memocast.library.tables.seedables import Seedable


_AT_ONCE = 1_000
"""The most torrents added to libtorrent between two polls of its events."""


class State(enum.Enum):
    """The states of a torrent until it is seeded."""

    WAITING = enum.auto()
    """Not yet added to libtorrent."""

    HANDED_OVER = enum.auto()
    """Added to libtorrent, which has not answered yet."""

    SEEDING = enum.auto()
    """Peers can download it."""

    SET_ASIDE = enum.auto()
    """Its file has changed since it was hashed; it is tried again when that changes."""


@dataclass(slots=True)
class _Torrent:
    """A torrent and its state; `is_damaged` from when it is set aside until it is seeded again."""

    file: Seedable
    state: State
    is_damaged: bool = False
    tally: UploadTally | None = None  # once it has had a peer


class SeededTorrents:
    """A worker's torrents, by info-hash.

    `notify` is called with `Seeding`, `Removed`, `Damaged` and `Transfer` events.
    """

    def __init__(
        self,
        library: Library,
        session: Session,
        trackers: Iterable[str],
        notify: Callable[[Event], None],
    ) -> None:
        self._library = library
        self._session = session
        self._trackers = tuple(trackers)
        self._notify = notify
        self._torrents: dict[str, _Torrent] = {}
        # The torrents in each state, in the order in which they entered it. There may be too
        # many to go through all of them several times a second.
        self._in: dict[State, dict[str, None]] = {state: {} for state in State}
        self._fresh: list[str] = []
        self._memos: int | None = None
        self._busy: set[str] = set()
        self._slots = UploadSlots()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the info-hashes that are seeded."""
        return iter(self._in[State.SEEDING])

    def __contains__(self, key: object) -> bool:
        return key in self._in[State.SEEDING]

    # -- states ----------------------------------------------------------------------

    def _put(self, key: str, file: Seedable, state: State) -> _Torrent:
        torrent = self._torrents.setdefault(key, _Torrent(file, state))
        self._in[torrent.state].pop(key, None)
        torrent.file, torrent.state = file, state
        self._in[state][key] = None
        return torrent

    def _forget(self, key: str) -> None:
        del self._in[self._torrents.pop(key).state][key]

    def follow(self, wanted: Mapping[str, Seedable]) -> None:
        """Seed exactly these from now on."""
        for key in [key for key in self._torrents if key not in wanted]:
            if self._is_with_libtorrent(key):
                self._withdraw(key, Removed)
            self._forget(key)
        for key, file in wanted.items():
            torrent = self._torrents.get(key)
            if not file.intact:
                self._set_aside(key, file)
            elif torrent is None:
                self._put(key, file, State.WAITING)
            elif self._is_with_libtorrent(key):
                torrent.file = file
            elif torrent.state is State.WAITING or torrent.file.stamp != file.stamp:
                self._put(key, file, State.WAITING)
            # else its pieces were found wrong, though its size and time have not changed

    def hand_over(self) -> None:
        """Add the next waiting torrents to libtorrent."""
        for key in list(self._in[State.WAITING])[:_AT_ONCE]:
            file = self._torrents[key].file
            trackers = dict.fromkeys([*self._trackers, *file.trackers])
            content = self._library.seedables.content(file)
            if content is None:
                self._forget(key)
                continue
            try:
                self._session.seed(key, content, file.file, trackers, public_only=file.public_only)
            except MemocastError:
                self._set_aside(key, file)
            else:
                self._put(key, file, State.HANDED_OVER)

    def start_over(self) -> None:
        """Leave all swarms and join them again, under other peer ids."""
        for key in [*self]:
            torrent = self._put(key, self._torrents[key].file, State.WAITING)
            self._end_tally(key, torrent)
            self._session.drop(key)

    def _is_with_libtorrent(self, key: str) -> bool:
        return self._torrents[key].state in (State.HANDED_OVER, State.SEEDING)

    def _begin_to_seed(self, key: str) -> None:
        torrent = self._put(key, self._torrents[key].file, State.SEEDING)
        torrent.is_damaged = False
        self._memos = None
        self._fresh.append(key)
        if torrent.file.memo:
            self._notify(Seeding(torrent.file.memo, key))

    def _withdraw(self, key: str, event: type[Removed | Damaged]) -> None:
        torrent = self._torrents[key]
        self._end_tally(key, torrent)
        self._session.drop(key)
        self._memos = None
        if torrent.file.memo:
            self._notify(event(torrent.file.memo))

    def _end_tally(self, key: str, torrent: _Torrent) -> None:
        if torrent.tally:
            self._write_down(key, torrent.tally)
            torrent.tally = None

    def _set_aside(self, key: str, file: Seedable) -> None:
        """Stop seeding a changed file until it changes again."""
        torrent = self._torrents.get(key)
        if torrent and self._is_with_libtorrent(key):
            self._withdraw(key, Damaged)
        elif torrent is None or not torrent.is_damaged:
            self._memos = None
            if file.memo:
                self._notify(Damaged(file.memo))
        self._put(key, file, State.SET_ASIDE).is_damaged = True

    def take(self, event: events.Event) -> None:
        """Handle an event: an added torrent is seeded, a damaged one is set aside."""
        damage = events.PieceCorrupted | events.FileFailed | events.TorrentInvalid
        if isinstance(event, events.Added) and event.key in self._in[State.HANDED_OVER]:
            self._begin_to_seed(event.key)
        elif isinstance(event, damage) and (
            event.key in self._torrents and self._is_with_libtorrent(event.key)
        ):
            file = self._torrents[event.key].file
            self._set_aside(event.key, replace(file, stamp=file_stamp(file.file)))

    # -- queries -----------------------------------------------------------------------

    def fresh(self) -> list[str]:
        """Return the info-hashes seeded since the last call."""
        fresh, self._fresh = self._fresh, []
        return [key for key in fresh if key in self]

    @property
    def are_pending(self) -> bool:
        """Whether some torrents are still to be added to libtorrent."""
        return bool(self._in[State.WAITING] or self._in[State.HANDED_OVER])

    @property
    def have_changed(self) -> bool:
        """Whether the seeded memos differ from those last reported."""
        return self._memos is None

    def files_changed(self) -> bool:
        """Return whether the file of an active torrent, or of one set aside, has changed."""
        watched = [*self._in[State.SET_ASIDE], *(status.key for status in self._active())]
        files = (self._torrents[key].file for key in watched)
        return any(file_stamp(file.file) != file.stamp for file in files)

    def busy(self) -> set[str]:
        """Return the info-hashes with peer changes or uploads since the last call."""
        busy, self._busy = self._busy, set()
        return busy & self._in[State.SEEDING].keys()

    def peers(self) -> dict[str, int]:
        """Return the current number of peers of each info-hash that has had one in this session."""
        return {status.key: len(status.peers) for status in self._active()}

    def stalled(self, seconds: int) -> set[tuple[str, str]]:
        """Return info-hash and host of interested peers that received nothing for that long."""
        return {
            (status.key, peer.host)
            for status in self._active()
            for peer in status.peers
            if peer.stalled >= seconds and not peer.complete
        }

    def seeding(self) -> int:
        """Return the number of memos that are seeded."""
        if self._memos is None:
            self._memos = len({self._torrents[key].file.memo for key in self} - {""})
        return self._memos

    def damaged(self) -> list[str]:
        """Return the ids of the memos that are not seeded because their files were changed."""
        not_seeded = (State.SET_ASIDE, State.WAITING, State.HANDED_OVER)
        found = [self._torrents[key] for state in not_seeded for key in self._in[state]]
        return sorted({torrent.file.memo for torrent in found if torrent.is_damaged} - {""})

    def uploads(self) -> tuple[dict[str, Uploads], dict[str, Uploads]]:
        """Return the uploads of the active torrents, by memo id and by info-hash."""
        memos: dict[str, Uploads] = {}
        torrents: dict[str, Uploads] = {}
        for status in self._active():
            torrent = self._torrents[status.key]
            if torrent.tally is None:  # its first peer has just connected
                continue
            found = torrents[status.key] = torrent.tally.uploads(status)
            if memo := torrent.file.memo:
                memos[memo] = memos.get(memo, Uploads()) + found
        return memos, torrents

    def _active(self) -> list[TorrentStatus]:
        return [status for status in self._session.statuses() if status.key in self]

    # -- counting ----------------------------------------------------------------------

    def count(self) -> None:
        """Count uploads since the last call, and set how many peers to serve at once."""
        moment = time.monotonic()
        active = self._active()
        self._session.serve(self._slots.places(active, moment))
        for status in active:
            key, torrent = status.key, self._torrents[status.key]
            tally = torrent.tally = torrent.tally or UploadTally(torrent.file.size)
            tally.count(status, moment)
            if tally.new_copies:
                self._write_down(key, tally)
            said = (len(status.peers), len(tally.complete_since), status.uploaded)
            if said != tally.said:
                tally.said = said
                self._busy.add(key)
                if torrent.file.memo:
                    self._notify(Transfer(torrent.file.memo, key, tally.uploads(status)))

    def write_tallies(self) -> None:
        """Store the tallies in the library."""
        for key in self:
            if tally := self._torrents[key].tally:
                self._write_down(key, tally)

    def _write_down(self, key: str, tally: UploadTally) -> None:
        if tally.uploaded == tally.tallied and not tally.new_copies:
            return
        try:
            self._library.shares.add_to_tally(
                key, tally.uploaded - tally.tallied, tally.new_copies, tally.last_copy
            )
        except LibraryError:
            return  # it is counted with the next tally
        tally.tallied = tally.uploaded
        tally.new_copies = 0
