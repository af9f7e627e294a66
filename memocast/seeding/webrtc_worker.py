"""The worker that seeds the latest memos to browsers, over WebRTC."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.bittorrent.session_settings import MOST_WEB_TRACKERS, WEBRTC_OFFERS
from memocast.bittorrent.tcp_options import end_when_dead
from memocast.bittorrent.webrtc_session import WebRtcSession
from memocast.formats.trackers import web_trackers
from memocast.processes.descriptor_limit import raise_descriptor_limit
from memocast.seeding.worker import OK, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.library.library import Library
    from memocast.library.seeder_report import Event, WorkerReport
    from memocast.library.tables.seedables import Seedable
    from memocast.settings import Settings

MOST_MEMOS = 50
"""Including pages of feeds. Each is announced with a WebRTC offer for every browser that may come,
which costs third parties a STUN request and a line at each tracker."""

MOST_NEWEST_PAGES = 20
OLDER_PAGES = 5
"""Places reserved for older pages, if there are any: the memos of their channel would take all."""

_M_ARENA_MAX = -8  # of glibc's malloc.h

_OWN_DESCRIPTORS = 100
_LOOK_SECONDS = 2.0
_AGAIN_SECONDS = 30.0
_CALL_SECONDS = 10.0
_HOT_SECONDS = 600.0
_GHOST_SECONDS = 8
"""A browser stalled for this long has probably died. It would keep its place for half a minute, and
keep out others at its address; one that was only slow connects again."""


class WebRtcWorker(Worker):
    """The worker that seeds to browsers."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        notify: Callable[[Event], None],
        only: Collection[str] = (),
    ) -> None:
        _use_one_heap()
        session = WebRtcSession(settings)
        super().__init__(library, settings, session, notify, only)
        self._webrtc = session
        self._descriptors = 0
        self._hot: dict[str, float] = {}
        self._peers: dict[str, int] = {}
        self._called: dict[str, float] = {}
        self._next_announce = self._next_look = 0.0
        self._has_connections = False  # to trackers, perhaps new ones

    def begin(self) -> None:
        """Find out how many descriptors there are for memos."""
        self._descriptors = raise_descriptor_limit() - _OWN_DESCRIPTORS

    def wanted(self) -> Mapping[str, Seedable]:
        """Return the newest feed pages, then the memos last shared or requested, then older pages.

        At most as many as there are descriptors for.
        """
        own = web_trackers(self.settings.trackers)
        memos = self.library.seedables.for_browsers(
            fetched=self.settings.seed_fetched or bool(self.only),
            every=bool(own),
            limit=-1 if self.only else 2 * MOST_MEMOS,  # some may be damaged, or need too many
        )
        newest, older = self._pages(MOST_NEWEST_PAGES, newest=True), self._pages(OLDER_PAGES)
        wanted: dict[str, Seedable] = {}
        room = self._descriptors
        for found, most in (
            (newest, MOST_MEMOS),
            (memos, MOST_MEMOS - len(older)),
            (older, MOST_MEMOS),
        ):
            for seedable in found:
                if not seedable.intact or (self.only and seedable.memo not in self.only):
                    continue
                trackers = {*own, *web_trackers(seedable.trackers)}
                needed = _descriptors(seedable, min(len(trackers), MOST_WEB_TRACKERS))
                if needed <= room and len(wanted) < most:
                    wanted[seedable.info_hash] = seedable
                    room -= needed
        return wanted

    def _pages(self, limit: int, *, newest: bool = False) -> list[Seedable]:
        return self.library.seedables.pages_for_browsers(
            fetched=self.settings.seed_fetched,
            every=bool(web_trackers(self.settings.trackers)),
            newest=newest,
            limit=limit,
        )

    def tick(self, moment: float) -> None:
        """Disconnect dead browsers, and announce the memos that lately had browsers again."""
        if moment >= self._next_look:
            self._next_look = moment + _LOOK_SECONDS
            self._let_go(moment)
            if self._has_connections:
                self._has_connections = False
                end_when_dead()
        if moment < self._next_announce:
            return
        self._next_announce = moment + _AGAIN_SECONDS
        self._hot.update(dict.fromkeys(self.torrents.busy(), moment + _HOT_SECONDS))
        seeded = set(self.torrents)
        self._hot = {
            key: until for key, until in self._hot.items() if key in seeded and until > moment
        }
        self._called = {key: when for key, when in self._called.items() if key in seeded}
        for key in self._hot:
            self._call(key, moment)

    def take(self, event: events.Event) -> None:
        """Handle an event, and begin anew with a tracker whose connection has died."""
        match event:
            case events.TrackerAnswered():
                self._has_connections = True
            case events.TrackerFailed(url=url) if event.is_cut_off and self.trackers.get(url) == OK:
                # For the tracker we are still who we were, on that connection, to which it would
                # send everything for as long as it knows us: it must take us for somebody else.
                self.torrents.start_over()
        super().take(event)

    def report(self) -> WorkerReport:
        """Return the worker's state, and whether the STUN server answers."""
        return replace(super().report(), stun_answers=self._webrtc.stun_answers)

    def _call(self, key: str, moment: float) -> None:
        """Announce a torrent, but not each time that a peer comes or goes."""
        if moment >= self._called.get(key, 0.0) + _CALL_SECONDS:
            self._called[key] = moment
            self.session.announce_again(key)

    def _let_go(self, moment: float) -> None:
        for host in {host for _, host in self.torrents.stalled(_GHOST_SECONDS)}:
            self.session.cut(host)
        before, self._peers = self._peers, self.torrents.peers()
        for key, peers in self._peers.items():
            # A browser at the same address may have been refused meanwhile.
            if peers < before.get(key, 0):
                self._call(key, moment)


def _descriptors(seedable: Seedable, trackers: int) -> int:
    """Return the most that a memo needs: for its file, and two sets of offers per tracker."""
    # A hybrid torrent is announced under both of its hashes.
    hashes = 2 if seedable.second_hash else 1
    return 1 + hashes * trackers * WEBRTC_OFFERS * 2


def _use_one_heap() -> None:
    """Have glibc keep one heap (mallopt(3)), before there are threads.

    It would keep one for each thread of WebRTC, and never give back what had once been used of
    each: with memos that come and go the memory grew for days.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
