"""Sources: the sessions that one fetch asks, and the one of them that it downloads with.

BitTorrent clients are asked first. Browsers are asked too when those are slow to
answer, or when nobody else is to be asked. They get a session of their own:
libtorrent refuses a browser whose address it knows as another peer's, and both
of a seeder's sessions have the same.
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
"""So long the first session is alone: most often it has an answer by then, and a second one costs
as much as a small memo."""

_TCP_SECONDS = 3.0
"""So long it dials by TCP only: time for a first and a second try on a crowded link."""

_OF_THE_DOWNLOAD = (
    events.Completed,
    events.ResumeData,
    events.FileFailed,
    events.PieceCorrupted,
)


class SessionPair:
    """Where a torrent may come from. `trackers` are those of the link and of the settings."""

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
        # TCP is faster than libtorrent's uTP, and its connections are closed at once.
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
        self.asked = self._classic.trackers(trackers)
        """The trackers that are asked."""
        if settings.webrtc:
            self.asked += web_trackers(trackers)

    def begin(self, resume: bytes | None) -> None:
        """Look for the torrent's metadata. Raises NotALink."""
        self._resume = resume
        self._add(self._classic)
        self._utp_at = time.monotonic() + _TCP_SECONDS
        if self.may_widen:
            others = self._settings.dht or self._settings.lsd or self._link.peers
            alone = others or self._classic.trackers(self._trackers)
            self._widen_at = time.monotonic() + (_ALONE_SECONDS if alone else 0.0)

    @property
    def may_widen(self) -> bool:
        """Whether browsers can be asked as well."""
        # They know no torrents of version 2 only.
        has_way = self._settings.webrtc and bool(web_trackers(self._trackers))
        return has_way and self._link.v1 is not None

    def _add(self, swarm: Session) -> None:
        self._downloads[swarm] = swarm.fetch(
            self._key, self._link, self._folder, self._trackers, self._resume
        )

    def poll(self, seconds: float) -> list[events.Event]:
        """Wait up to `seconds` for something to happen; return all that has."""
        if time.monotonic() > self._widen_at:
            self._widen_at = float("inf")
            self._add(self._web_swarm())
        if time.monotonic() > self._utp_at:
            self.dial_by_utp()
        happened: list[events.Event] = []
        swarms = [swarm for swarm in (self._classic, self._web) if swarm]
        for swarm in swarms:
            said = swarm.poll(seconds / len(swarms))
            if any(isinstance(event, events.ListenFailed) and event.taken for event in said):
                self._listen_anywhere()
            if swarm not in self._downloads:
                # Of a torrent that it holds no more, it may still have something to say.
                said = [event for event in said if not isinstance(event, _OF_THE_DOWNLOAD)]
            happened += said
        return happened

    def dial_by_utp(self) -> None:
        """Try that too: nobody answers by TCP."""
        self._utp_at = float("inf")
        self._classic.dial_by_utp()

    def _listen_anywhere(self) -> None:
        # libtorrent takes the next port when another program has this one, but not when both
        # asked for it in the same instant; and without a port it connects to nobody.
        if self._has_own_port:
            self._has_own_port = False
            self._classic.listen_anywhere()
            self.dial()

    def _web_swarm(self) -> Session:
        self._web = self._web or WebRtcSession(self._settings)
        return self._web

    def metadata(self) -> Metadata | None:
        """What the torrent holds, once somebody has told; it is downloaded from where it came."""
        for swarm, download in self._downloads.items():
            if found := download.metadata():
                for other in [other for other in self._downloads if other is not swarm]:
                    self._drop(other)
                self._widen_at = self._utp_at = float("inf")
                return found
        return None

    @property
    def download(self) -> Download:
        """The download; of several, the first that was begun."""
        return next(iter(self._downloads.values()))

    @property
    def peers(self) -> int:
        """How many are connected."""
        return sum(download.progress().peers for download in self._downloads.values())

    @property
    def dht_nodes(self) -> int:
        """How many nodes of the DHT are known."""
        return self._classic.dht_nodes

    def look_again(self) -> None:
        """Ask the DHT once more."""
        if self._classic in self._downloads:
            self._downloads[self._classic].look_again()

    def dial(self) -> None:
        """Try the addresses in the link once more."""
        if self._classic in self._downloads:
            self._downloads[self._classic].dial(self._link.peers)

    def start(self, *, in_order: bool) -> None:
        """Open the gate; `in_order` asks for the beginning of the audio first."""
        self._in_order = in_order
        self.download.start(in_order=in_order)

    def turn_to_others(self, resume: bytes) -> None:
        """Go on with the other session: nobody that this one reaches sends any more.

        `resume` is the state of the download, saved just now.
        """
        self._resume = resume
        other = self._web_swarm() if self._classic in self._downloads else self._classic
        for swarm in list(self._downloads):
            self._drop(swarm)
        self._add(other)
        self.start(in_order=self._in_order)

    def want(self, index: int) -> None:
        """Have that piece come first, and a PieceRead event with it. From any thread."""
        for download in list(self._downloads.values()):
            with contextlib.suppress(RuntimeError):  # it was dropped just now
                download.want(index)

    def drop(self) -> None:
        """Stop downloading; what is on disk stays."""
        for swarm in list(self._downloads):
            self._drop(swarm)

    def _drop(self, swarm: Session) -> None:
        del self._downloads[swarm]
        swarm.drop(self._key)

    def close(self, *, done: bool) -> None:
        """Leave the swarm; unless all is `done`, what libtorrent still holds is written first."""
        if done:
            self.drop()
        for swarm in (self._classic, self._web):
            if swarm:
                swarm.close(is_empty=done)
