"""The two libtorrent sessions of a fetch: classic BitTorrent and WebRTC.

BitTorrent clients are asked first. Browsers are asked as well when no client
answers soon, or when there is no way to find clients. They need a session of
their own: libtorrent refuses a browser whose address it knows as another peer's,
and both workers of a seeder have the same address.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.bittorrent.session import Session
from memocast.bittorrent.webrtc_session import WebRtcSession
from memocast.formats.trackers import web_trackers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memocast.bittorrent.download import Download, Metadata
    from memocast.formats.link import Link
    from memocast.settings import Settings

_ALONE_SECONDS = 1.0
"""How long to wait before starting the second session. The first mostly has an answer by then, and
a second one costs as much as a small memo."""

_TCP_SECONDS = 3.0
"""How long to dial by TCP only: time for a first and a second try on a crowded link."""

_OF_THE_DOWNLOAD = (
    events.Completed,
    events.ResumeData,
    events.FileFailed,
    events.PieceCorrupted,
)


class SessionPair:
    """The sessions that look for one torrent. `trackers` are those of the link and the settings."""

    def __init__(
        self,
        settings: Settings,
        addresses: Sequence[tuple[str, int]],
        link: Link,
        folder: Path,
        trackers: Sequence[str],
    ) -> None:
        self._settings = settings
        self._key = link.info_hashes[0]
        self._link = link
        self._folder = folder
        self._trackers = trackers
        # TCP is faster than libtorrent's uTP, and its connections close at once.
        self._classic = Session.classic(
            settings, addresses, exact_port=False, lan=link.lan, brief=True
        )
        self._utp_at = float("inf")
        self._in_order = False
        self._web: Session | None = None
        self._downloads: dict[Session, Download] = {}
        self._resume: bytes | None = None
        self._widen_at = float("inf")
        self._has_own_port = True
        self.asked = self._classic_trackers()
        """The trackers that are asked."""
        if settings.webrtc:
            self.asked += web_trackers(trackers)

    def begin(self, resume: bytes | None) -> None:
        """Start looking for the torrent's metadata. Raises NotALink."""
        self._resume = resume
        self._add(self._classic)
        self._utp_at = time.monotonic() + _TCP_SECONDS
        if self.may_widen:
            others = self._settings.dht or self._settings.lsd or self._link.peers
            alone = others or self._classic_trackers()
            self._widen_at = time.monotonic() + (_ALONE_SECONDS if alone else 0.0)

    def _classic_trackers(self) -> list[str]:
        return self._classic.trackers(self._trackers, public_only=self._link.public_only)

    @property
    def may_widen(self) -> bool:
        """Whether browsers can be asked as well."""
        # They cannot fetch v2-only torrents.
        has_way = self._settings.webrtc and bool(web_trackers(self._trackers))
        return has_way and self._link.v1 is not None

    def _add(self, session: Session) -> None:
        self._downloads[session] = session.fetch(
            self._key, self._link, self._folder, self._trackers, self._resume
        )

    def poll(self, seconds: float) -> list[events.Event]:
        """Wait up to `seconds` for events; return all that happened."""
        if time.monotonic() > self._widen_at:
            self._widen_at = float("inf")
            self._add(self._web_session())
        if time.monotonic() > self._utp_at:
            self.dial_by_utp()
        happened: list[events.Event] = []
        sessions = [session for session in (self._classic, self._web) if session]
        for session in sessions:
            found = session.poll(seconds / len(sessions))
            if any(isinstance(event, events.ListenFailed) and event.taken for event in found):
                self._listen_anywhere()
            if session not in self._downloads:
                # It may still have events of the torrent that was dropped.
                found = [event for event in found if not isinstance(event, _OF_THE_DOWNLOAD)]
            happened += found
        return happened

    def dial_by_utp(self) -> None:
        """Dial peers by uTP as well, because none answers by TCP."""
        self._utp_at = float("inf")
        self._classic.dial_by_utp()

    def _listen_anywhere(self) -> None:
        # libtorrent takes the next port when another program has this one, but not when both
        # ask for it at the same moment; and without a port it makes no connections.
        if self._has_own_port:
            self._has_own_port = False
            self._classic.listen_anywhere()
            self.dial()

    def _web_session(self) -> Session:
        self._web = self._web or WebRtcSession(self._settings)
        return self._web

    def metadata(self) -> Metadata | None:
        """Return the metadata once a session has it, and drop the other session; else None."""
        for session, download in self._downloads.items():
            if found := download.metadata():
                for other in [other for other in self._downloads if other is not session]:
                    self._drop(other)
                self._widen_at = self._utp_at = float("inf")
                return found
        return None

    @property
    def download(self) -> Download:
        """The download; if there are two, the one begun first."""
        return next(iter(self._downloads.values()))

    @property
    def peers(self) -> int:
        """The number of connected peers."""
        return sum(download.progress().peers for download in self._downloads.values())

    @property
    def dht_nodes(self) -> int:
        """The number of known DHT nodes."""
        return self._classic.dht_nodes

    def look_again(self) -> None:
        """Ask the DHT again."""
        if self._classic in self._downloads:
            self._downloads[self._classic].look_again()

    def dial(self) -> None:
        """Dial the addresses in the link again."""
        if self._classic in self._downloads:
            self._downloads[self._classic].dial(self._link.peers)

    def start(self, *, in_order: bool) -> None:
        """Start downloading the audio; with `in_order`, its beginning first."""
        self._in_order = in_order
        self.download.start(in_order=in_order)

    def turn_to_others(self, resume: bytes) -> None:
        """Continue with the other session, because no peer of this one sends any more.

        `resume` is the download's state, saved just now.
        """
        self._resume = resume
        other = self._web_session() if self._classic in self._downloads else self._classic
        self.drop()
        self._add(other)
        self.start(in_order=self._in_order)

    def want(self, index: int) -> None:
        """Request that piece first, and a PieceRead event for it. May be called from any thread."""
        for download in list(self._downloads.values()):
            with contextlib.suppress(RuntimeError):  # it was dropped just now
                download.want(index)

    def drop(self) -> None:
        """Stop downloading; files on disk stay."""
        for session in list(self._downloads):
            self._drop(session)

    def _drop(self, session: Session) -> None:
        del self._downloads[session]
        session.drop(self._key)

    def close(self, *, done: bool) -> None:
        """Leave the swarm; unless `done`, write the data that libtorrent still holds first."""
        if done:
            self.drop()
        for session in (self._classic, self._web):
            if session:
                session.close(is_empty=done)
