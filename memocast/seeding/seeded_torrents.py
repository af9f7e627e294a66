"""The torrents that one worker offers, as long as their files are what was hashed."""

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
"""Torrents that libtorrent is given between two looks at what happens in the swarms."""


class State(enum.Enum):
    """How far a torrent is on its way to being offered."""

    WAITING = enum.auto()
    """To be given to libtorrent."""

    HANDED_OVER = enum.auto()
    """Given to libtorrent, which has not answered yet."""

    OFFERED = enum.auto()
    """Peers can have it."""

    SET_ASIDE = enum.auto()
    """Its file is not what was hashed; it is tried again when that changes."""


@dataclass(slots=True)
class _Torrent:
    """`is_damaged` until it is offered again, after it was set aside."""

    file: Seedable
    state: State
    is_damaged: bool = False
    tally: UploadTally | None = None  # once it has had a peer


class SeededTorrents:
    """What a worker seeds, by info-hash.

    `notify` hears `Seeding`, `Removed`, `Damaged` and `Transfer`.
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
        # Which are in a state, in the order in which they came to it. There may be many, and a
        # look at all of them several times a second would be too much.
        self._in: dict[State, dict[str, None]] = {state: {} for state in State}
        self._fresh: list[str] = []
        self._memos: int | None = None
        self._busy: set[str] = set()
        self._slots = UploadSlots()

    def __iter__(self) -> Iterator[str]:
        """Those that are offered."""
        return iter(self._in[State.OFFERED])

    def __contains__(self, key: object) -> bool:
        return key in self._in[State.OFFERED]

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
        """From now on, offer these and no others."""
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
            # else its pieces were found wrong, whatever its size and time say

    def hand_over(self) -> None:
        """Give libtorrent the next of those that are to be offered."""
        for key in list(self._in[State.WAITING])[:_AT_ONCE]:
            file = self._torrents[key].file
            trackers = dict.fromkeys([*self._trackers, *file.trackers])
            content = self._library.seedables.content(file)
            if content is None:
                self._forget(key)
                continue
            try:
                self._session.seed(key, content, file.file, trackers)
            except MemocastError:
                self._set_aside(key, file)
            else:
                self._put(key, file, State.HANDED_OVER)

    def _is_with_libtorrent(self, key: str) -> bool:
        return self._torrents[key].state in (State.HANDED_OVER, State.OFFERED)

    def _begin_to_offer(self, key: str) -> None:
        torrent = self._put(key, self._torrents[key].file, State.OFFERED)
        torrent.is_damaged = False
        self._memos = None
        self._fresh.append(key)
        if torrent.file.memo:
            self._notify(Seeding(torrent.file.memo, key))

    def _withdraw(self, key: str, event: type[Removed | Damaged]) -> None:
        torrent = self._torrents[key]
        if torrent.tally:
            self._write_down(key, torrent.tally)
            torrent.tally = None
        self._session.drop(key)
        self._memos = None
        if torrent.file.memo:
            self._notify(event(torrent.file.memo))

    def _set_aside(self, key: str, file: Seedable) -> None:
        """Do not offer what is not what was hashed, until the file changes again."""
        torrent = self._torrents.get(key)
        if torrent and self._is_with_libtorrent(key):
            self._withdraw(key, Damaged)
        elif torrent is None or not torrent.is_damaged:
            self._memos = None
            if file.memo:
                self._notify(Damaged(file.memo))
        self._put(key, file, State.SET_ASIDE).is_damaged = True

    def take(self, event: events.Event) -> None:
        """Note what libtorrent took on; set a memo aside that the swarm found to be damaged."""
        damage = events.PieceCorrupted | events.FileFailed | events.TorrentInvalid
        if isinstance(event, events.Added) and event.key in self._in[State.HANDED_OVER]:
            self._begin_to_offer(event.key)
        elif isinstance(event, damage) and (
            event.key in self._torrents and self._is_with_libtorrent(event.key)
        ):
            file = self._torrents[event.key].file
            self._set_aside(event.key, replace(file, stamp=file_stamp(file.file)))

    # -- what others ask ---------------------------------------------------------------

    def fresh(self) -> list[str]:
        """The info-hashes that are offered since the last time."""
        fresh, self._fresh = self._fresh, []
        return [key for key in fresh if key in self]

    @property
    def are_pending(self) -> bool:
        """Whether some that are to be offered are not yet."""
        return bool(self._in[State.WAITING] or self._in[State.HANDED_OVER])

    @property
    def have_changed(self) -> bool:
        """Whether what is offered is not what was reported last."""
        return self._memos is None

    def files_changed(self) -> bool:
        """Whether a file that peers ask for, or one set aside, is not what it was."""
        watched = [*self._in[State.SET_ASIDE], *(status.key for status in self._active())]
        files = (self._torrents[key].file for key in watched)
        return any(file_stamp(file.file) != file.stamp for file in files)

    def busy(self) -> set[str]:
        """The info-hashes whose peers came, went or took something since the last time."""
        busy, self._busy = self._busy, set()
        return busy & self._in[State.OFFERED].keys()

    def peers(self) -> dict[str, int]:
        """How many peers each info-hash has now that has had one since the session began."""
        return {status.key: len(status.peers) for status in self._active()}

    def stalled(self, seconds: int) -> set[tuple[str, str]]:
        """Peers that want something and have taken nothing for that long: info-hash and host."""
        return {
            (status.key, peer.host)
            for status in self._active()
            for peer in status.peers
            if peer.stalled >= seconds and not peer.complete
        }

    def seeding(self) -> int:
        """How many memos are offered."""
        if self._memos is None:
            self._memos = len({self._torrents[key].file.memo for key in self} - {""})
        return self._memos

    def damaged(self) -> list[str]:
        """The ids of the memos that are not offered since their files were changed."""
        not_offered = (State.SET_ASIDE, State.WAITING, State.HANDED_OVER)
        found = [self._torrents[key] for state in not_offered for key in self._in[state]]
        return sorted({torrent.file.memo for torrent in found if torrent.is_damaged} - {""})

    def uploads(self) -> tuple[dict[str, Uploads], dict[str, Uploads]]:
        """How the active ones fare, by the memo's id and by info-hash."""
        memos: dict[str, Uploads] = {}
        torrents: dict[str, Uploads] = {}
        for status in self._active():
            torrent = self._torrents[status.key]
            if torrent.tally is None:  # its first peer has just come
                continue
            found = torrents[status.key] = torrent.tally.uploads(status)
            if memo := torrent.file.memo:
                memos[memo] = memos.get(memo, Uploads()) + found
        return memos, torrents

    def _active(self) -> list[TorrentStatus]:
        return [status for status in self._session.statuses() if status.key in self]

    # -- counting ----------------------------------------------------------------------

    def count(self) -> None:
        """Count what peers took since the last time, and how many of them to serve at once."""
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
        """Write down in the library what was counted."""
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
