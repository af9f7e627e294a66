"""The main loop that the seeder's workers have in common.

A worker's only input is the library, in which it looks for memos that were
shared, fetched, changed or removed. It runs in a process of its own, which the
supervisor starts again when libtorrent crashes. It passes all events, and once a
second a report, to `notify`.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.errors import LibraryError
from memocast.library.seeder_report import Reach, TrackerSaid, WorkerReport
from memocast.seeding.seeded_torrents import SeededTorrents

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from memocast.bittorrent.session import Session
    from memocast.library.library import Library
    from memocast.library.seeder_report import Event
    from memocast.library.tables.seedables import Seedable
    from memocast.settings import Settings

OK = "ok"
"""What is noted of a tracker that answers."""

TICK_SECONDS = 0.2
_REPORT_SECONDS = 1.0
_TALLY_SECONDS = 10.0
_SETTLE_SECONDS = 1.0


class Worker:
    """A session that seeds what is in the library. Its `Supervisor` holds the seeder's lock."""

    def __init__(
        self,
        library: Library,
        settings: Settings,
        session: Session,
        notify: Callable[[Event], None],
        only: Collection[str] = (),
    ) -> None:
        self.library = library
        self.settings = settings
        self.session = session
        self.notify = notify
        self.only = frozenset(only)
        self.torrents = SeededTorrents(library, session, settings.trackers, notify)
        self.trackers: dict[str, str] = {}  # by URL: "ok", or what is wrong

    # -- what they differ in -----------------------------------------------------

    def begin(self) -> None:
        """Prepare what is needed before the first memo is seeded."""

    def wanted(self) -> Mapping[str, Seedable]:
        """Return the files to seed now, by info-hash."""
        raise NotImplementedError  # abstract: ClassicWorker and WebRtcWorker each have their own

    def take(self, event: events.Event) -> None:
        """Handle an event of the session."""
        match event:
            case events.TrackerAnswered(url=url, peers=peers):
                self._note_tracker(OK, TrackerSaid(url, ok=True, peers=peers))
            case events.TrackerFailed(key=""):
                pass  # of a torrent that was dropped just now: it says nothing of the tracker
            case events.TrackerFailed(url=url, reason=reason):
                self._note_tracker(reason, TrackerSaid(url, ok=False, reason=reason))
            case _:
                self.torrents.take(event)

    def tick(self, moment: float) -> None:
        """Do periodic work; called a few times a second, at `moment` of the monotonic clock."""

    def tallied(self) -> None:
        """Do the work that follows writing the tallies, every ten seconds."""

    def report(self) -> WorkerReport:
        """Return the worker's state."""
        memos, torrents = self.torrents.uploads()
        return WorkerReport(
            session_pid=os.getpid(),
            seeding=self.torrents.seeding(),
            damaged=self.torrents.damaged(),
            memos=memos,
            torrents=torrents,
            reach=Reach(trackers=self.trackers),
        )

    # -- what they share -----------------------------------------------------------

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`."""
        try:
            self.begin()
            revision = -1
            next_report = next_tally = 0.0
            settled = time.monotonic() + _SETTLE_SECONDS
            while not stopping():
                moment = time.monotonic()
                # A full disk or a locked database is temporary; seeding goes on meanwhile.
                with contextlib.suppress(LibraryError):
                    current = self.library.revision()
                    if current != revision or self.torrents.files_changed():
                        self.torrents.follow(self.wanted())
                        revision = current
                    self.torrents.hand_over()
                self.tick(moment)
                if self.torrents.have_changed:
                    next_report = 0.0
                # Wait for the memos, unless there are many: the first report means "started".
                if moment >= next_report and (moment > settled or not self.torrents.are_pending):
                    self.notify(self.report())
                    next_report = moment + _REPORT_SECONDS
                if moment >= next_tally:
                    self.torrents.write_tallies()
                    next_tally = moment + _TALLY_SECONDS
                    self.tallied()
                self.poll()
                self.torrents.count()
        finally:
            self.session.poll(TICK_SECONDS)
            self.torrents.count()
            self.torrents.write_tallies()
            self.session.close(goodbye=1.0)

    def poll(self) -> list[events.Event]:
        """Handle the session's new events, and return them."""
        happened = self.session.poll(TICK_SECONDS)
        for event in happened:
            self.take(event)
        return happened

    def _note_tracker(self, said: str, event: TrackerSaid) -> None:
        if self.trackers.get(event.url) != said:
            self.trackers[event.url] = said
            self.notify(event)
