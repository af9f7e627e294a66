"""Downloading one torrent into a folder, paused after the metadata until it is approved."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.bittorrent import events
from memocast.errors import LibraryError, Refused, SwarmTimeout
from memocast.fetching.progress import Looking
from memocast.fetching.session_pair import SessionPair
from memocast.files import write_atomically
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memocast.bittorrent.download import Metadata, Progress
    from memocast.fetching.growing_file import GrowingFile
    from memocast.fetching.progress import Stage
    from memocast.formats.link import Link
    from memocast.library.library import Library
    from memocast.settings import Settings

_POLL_SECONDS = 0.1
_DHT_RETRY_SECONDS = 0.5
_DIAL_SECONDS = 3.0
_RESUME_SECONDS = 10.0
_STUCK_SECONDS = 5.0
_TURN_SECONDS = 10.0
"""After this long without a new byte, switch from clients to browsers, or back."""


def own_addresses(
    library: Library, settings: Settings, *, avoided: bool = False
) -> list[tuple[str, int]]:
    """Return where to listen: the library's port, unless its seeder has it or it is `avoided`."""
    if avoided or SeederLock(library.root).is_running():
        return [(host, 0) for host, _ in settings.addresses(0)]
    return settings.addresses(library.listen_port())


class Downloader:
    """Downloads a torrent into `folder`, listening on `addresses`.

    Its state is kept in the folder as `resume`, so that a later one continues from there.
    """

    def __init__(
        self,
        library: Library,
        link: Link,
        settings: Settings,
        addresses: Sequence[tuple[str, int]],
        folder: Path,
        timeout: float,
        notify: Callable[[Stage], None] = lambda _: None,
    ) -> None:
        self._library = library
        self._settings = settings
        self._timeout_seconds = timeout
        self._notify = notify
        self.resume_path = folder / "resume"
        trackers = [] if link.lan else list(dict.fromkeys([*link.trackers, *settings.trackers]))
        self.sessions = SessionPair(settings, addresses, link, folder, trackers)
        asked = dict.fromkeys(self.sessions.asked, "asked")
        self._looking = Looking(asked, settings.dht, lsd=settings.lsd, known=len(link.peers))
        self._is_complete = False
        self._growing: GrowingFile | None = None
        self._resume_data: list[bytes] = []

    def metadata(self) -> Metadata:
        """Find the torrent and return its metadata. Raises NotALink, SwarmTimeout."""
        with self._library.translated():
            resume = self.resume_path.read_bytes() if self.resume_path.exists() else None
        self.sessions.begin(resume)
        deadline = time.monotonic() + self._timeout_seconds
        next_look = 0.0
        next_dial = time.monotonic() + _DIAL_SECONDS
        while (metadata := self.sessions.metadata()) is None:
            if time.monotonic() > deadline:
                raise self._timeout("nobody answered for this memo")
            if self._settings.dht and time.monotonic() > next_look:
                self.sessions.look_again()
                next_look = time.monotonic() + _DHT_RETRY_SECONDS
            self._looking = replace(
                self._looking, dht_nodes=self.sessions.dht_nodes, peers=self.sessions.peers
            )
            if not self._looking.peers and time.monotonic() > next_dial:
                self.sessions.dial()
                next_dial = time.monotonic() + _DIAL_SECONDS
            self._notify(self._looking)
            self._poll()
        return metadata

    def complete(self, growing: GrowingFile | None = None) -> None:
        """Download the audio and wait until all of it is on disk.

        With `growing`, its beginning is requested first, and every piece is passed to it.
        Raises SwarmTimeout, Refused, LibraryError.
        """
        self._growing = growing
        self.sessions.start(in_order=growing is not None)
        best = (-1, -1)
        deadline = stuck = turn = 0.0
        while not self._is_complete:
            progress = self.sessions.download.progress()
            moment = time.monotonic()
            if (reached := (progress.done, progress.verified)) > best:
                best = reached
                deadline = moment + self._timeout_seconds
                stuck = moment + _STUCK_SECONDS
                turn = moment + _TURN_SECONDS
            # A piece that arrives again while libtorrent still drops a corrupt copy of it is
            # sometimes never hashed: all bytes are here, but the download does not finish.
            if moment > stuck and progress.done >= progress.total and not progress.whole:
                self.sessions.download.check_again()
                best = (-1, -1)
            if moment > turn and progress.done < progress.total and self.sessions.may_widen:
                self.sessions.turn_to_others(self.save_resume_data())
                turn = time.monotonic() + _TURN_SECONDS
                continue
            self._refuse_to_wait_longer(progress, deadline)
            self._notify(progress)
            self._poll()

    def _refuse_to_wait_longer(self, progress: Progress, deadline: float) -> None:
        # When all bytes are here and only being flushed, there is no time-out.
        if time.monotonic() > deadline and progress.done < progress.total:
            raise self._timeout(
                f"the download stopped at {progress.done:,} of {progress.total:,} bytes"
            )

    def save_resume_data(self) -> bytes:
        """Save and return the resume data, so that a later fetch need not ask for the metadata."""
        self._resume_data.clear()
        self.sessions.download.ask_for_resume_data()
        deadline = time.monotonic() + _RESUME_SECONDS
        while not self._resume_data:
            if time.monotonic() > deadline:
                raise LibraryError("the download's state could not be saved", hint="fetch it again")
            self._poll()
        with self._library.translated():
            write_atomically(self.resume_path, self._resume_data[-1])
        return self._resume_data[-1]

    def _poll(self) -> None:
        for event in self.sessions.poll(_POLL_SECONDS):
            match event:
                case events.TrackerAnswered(url=url, peers=peers):
                    self._note(url, f"answered, {peers} peers")
                case events.TrackerFailed(url=url, reason=reason):
                    self._note(url, f"failed: {reason}")
                case events.ResumeData(content=content):
                    self._resume_data.append(content)
                case events.PieceRead(index=index, content=content) if self._growing:
                    self._growing.arrived(index, content)
                case events.Completed():
                    self._is_complete = True
                case events.TorrentInvalid(reason=reason):
                    raise Refused(
                        f"the torrent is damaged: {reason}",
                        hint="ask the sender to share the memo again",
                    )
                case events.FileFailed(reason=reason, full=full):
                    raise LibraryError(
                        f"writing the download failed: {reason}",
                        hint="free some space, then fetch it again"
                        if full
                        else "check the library's disk, then fetch it again",
                    )

    def _note(self, tracker: str, said: str) -> None:
        self._looking = replace(self._looking, trackers={**self._looking.trackers, tracker: said})

    def _timeout(self, what: str) -> SwarmTimeout:
        return SwarmTimeout(
            f"{what} in {self._timeout_seconds:g} s; tried: {self._looking.tried()}",
            hint="ask the sender to run 'memocast seed', then fetch again; --timeout waits longer",
        )
