"""A libtorrent session: `Session.classic`, or the `WebRtcSession` derived from it.

`session_settings` has the settings of both kinds. The key of a torrent is an info-hash,
chosen by the caller.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from memocast.bittorrent import left_sessions, session_settings
from memocast.bittorrent.download import Download, parameters
from memocast.bittorrent.events import (
    Added,
    Completed,
    FileFailed,
    PieceCorrupted,
    PieceRead,
    ResumeData,
    TorrentInvalid,
    TrackerAnswered,
    TrackerFailed,
    translate,
)
from memocast.bittorrent.peer_filter import PeerFilter
from memocast.bittorrent.strangers_trackers import StrangersTrackers
from memocast.bittorrent.tcp_options import send_at_once
from memocast.bittorrent.torrent_status import TorrentStatus, torrent_status
from memocast.errors import MemocastError
from memocast.formats.trackers import CLASSIC_SCHEMES, WEB_SCHEMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from memocast.bittorrent.events import Event
    from memocast.formats.link import Link
    from memocast.settings import Settings

_OF_A_TORRENT = (FileFailed, PieceCorrupted, PieceRead, ResumeData, TorrentInvalid)
_LOOK_SECONDS = 0.2
_TRIES = 50
"""Of a peer, before it is given up. libtorrent counts to 31."""

_RELAY_SECONDS = 1.0
"""How long a session waits until the relay has told trackers that it leaves."""


class Session:
    """A running libtorrent session. Only `poll` takes libtorrent's alerts."""

    def __init__(
        self,
        settings: Settings,
        pack: session_settings.Pack,
        schemes: tuple[str, ...],
        addresses: Sequence[tuple[str, int]] = (),
    ) -> None:
        self._trackers = StrangersTrackers(settings.trackers, [host for host, _ in addresses])
        self._schemes = schemes
        self._is_web = schemes == WEB_SCHEMES
        self._pack = pack
        self._session: Any = left_sessions.begin(pack)
        self._filter = PeerFilter(self._session)
        self._handles: dict[str, Any] = {}
        self._keys: dict[Any, str] = {}
        self._active: dict[str, Any] = {}
        self._fetched: set[str] = set()
        self._adding: set[str] = set()
        self._dropped: set[str] = set()  # before they were added
        self._places = session_settings.EVERYBODY
        self._next_look = 0.0
        self._is_known = self._known_by_udp = False
        self.dht_nodes = 0

    @classmethod
    def classic(
        cls,
        settings: Settings,
        addresses: Sequence[tuple[str, int]],
        *,
        exact_port: bool,
        lan: bool = False,
        brief: bool = False,
    ) -> Self:
        """Make a session that speaks TCP and uTP and listens on these IP addresses and ports.

        With `lan`, it ignores peers outside the local network. A `brief` session ends soon: it
        dials by TCP only, until `dial_by_utp`, and is a read-only node of the DHT.
        """
        pack = session_settings.classic(settings, addresses, exact_port=exact_port, brief=brief)
        session = cls(settings, pack, CLASSIC_SCHEMES, addresses)
        if lan:
            session._filter.keep_to_lan()
        return session

    def listen_anywhere(self) -> None:
        """Listen on ports chosen by the system, because the configured ones are taken."""
        pairs = self._session.get_settings()["listen_interfaces"].split(",")
        anywhere = ",".join(pair.rpartition(":")[0] + ":0" for pair in pairs)
        self._session.apply_settings({"listen_interfaces": anywhere})

    def dial_by_utp(self) -> None:
        """Dial peers by uTP as well from now on; it passes some routers that TCP does not."""
        self._session.apply_settings({"enable_outgoing_utp": True})

    def trackers(self, urls: Iterable[str], *, public_only: bool = False) -> list[str]:
        """Return the trackers that this session can use, and may; perhaps `public_only`."""
        known = [url for url in urls if url.startswith(self._schemes)]
        known = self._trackers.allowed(known, public_only=public_only)
        return known[: session_settings.MOST_WEB_TRACKERS] if self._is_web else known

    def _placed(self, urls: Iterable[str], *, public_only: bool) -> list[str]:
        """Return what libtorrent is to ask for those that this session can use, and may."""
        known = self.trackers(urls, public_only=public_only)
        return self._trackers.placed(known, public_only=public_only)

    def close(self, goodbye: float = 0.2, *, is_empty: bool = False) -> None:
        """Leave every swarm; allow `goodbye` seconds for telling UDP trackers that know us.

        An empty session that no tracker knows is left (see `left_sessions`).
        """
        trackers = self._trackers
        if is_empty and not self._is_known:
            left_sessions.leave(self._session, self._pack)
        elif self._known_by_udp or trackers.know_us:
            # libtorrent closes its UDP socket before its last announces are sent, and while it
            # ends no thread of ours runs.
            self._session.pause()
            began = time.monotonic()
            udp_end = began + (goodbye if self._known_by_udp else 0.0)
            relay_end = began + max(goodbye, _RELAY_SECONDS)
            while time.monotonic() < (relay_end if trackers.know_us else udp_end):
                self._session.wait_for_alert(10)
                self._session.pop_alerts()
        self._let_go()

    def _let_go(self) -> None:
        """Forget the session, which ends by that unless it was left."""
        self._handles.clear()
        self._keys.clear()
        self._active.clear()
        del self._session, self._filter
        self._trackers.close()

    def poll(self, seconds: float) -> list[Event]:
        """Wait up to `seconds` for events; return all that happened."""
        moment = time.monotonic()
        if moment >= self._next_look:
            # The answers are alerts too: with a request at every poll, it would never wait.
            self._session.post_torrent_updates()
            self._session.post_session_stats()
            self._next_look = moment + _LOOK_SECONDS
        self._session.wait_for_alert(round(seconds * 1000))
        taken = [self._take(alert) for alert in self._session.pop_alerts()]
        return [event for event in taken if event]

    def _take(self, alert: Any) -> Event | None:
        """Act on an alert, and return its event for the caller, if any."""
        key = self._keys.get(getattr(alert, "handle", None), "")
        match type(alert).__name__:
            case "add_torrent_alert":
                return self._note_added(alert)
            case "state_update_alert":
                for status in alert.status:
                    self._note(status)
            case "peer_connect_alert" if self._fetched:
                send_at_once()
            case "listen_succeeded_alert":
                send_at_once()
                return translate(alert, key)
            case "session_stats_alert":
                self.dht_nodes = alert.values["dht.dht_nodes"]
            case "peer_ban_alert":
                self._filter.count_ban(alert.endpoint[0])
            case "torrent_finished_alert" if key in self._fetched:
                # Finished in memory; the flush tells when it is on disk.
                alert.handle.flush_cache()
            case "cache_flushed_alert" if key in self._fetched:
                return Completed(key) if alert.handle.status().is_seeding else None
            case _:
                event = translate(alert, key)
                if not key and isinstance(event, _OF_A_TORRENT):
                    return None  # of one that was dropped, perhaps before the session was left
                if isinstance(event, TrackerAnswered | TrackerFailed):
                    url = self._trackers.named(event.url, alert.local_endpoint[0])
                    if not url:
                        return None
                    event = replace(event, url=url)
                if isinstance(event, TrackerAnswered):
                    self._is_known = True
                    self._known_by_udp |= event.url.startswith("udp://")
                return event
        return None

    # -- seeding ---------------------------------------------------------------

    def seed(
        self,
        key: str,
        torrent: bytes,
        file: str,
        trackers: Iterable[str],
        *,
        public_only: bool = False,
    ) -> None:
        """Seed the file, which the caller knows to be intact, with the content of its .torrent.

        With `public_only`, its trackers are asked at public addresses only.
        An `Added` or `TorrentInvalid` event follows. Raises MemocastError.

        The file is never written to: otherwise libtorrent would restore a
        changed file with pieces from peers.
        """
        import libtorrent as lt

        try:
            settings = lt.load_torrent_buffer(torrent)
        except RuntimeError as error:
            raise MemocastError(f"the stored torrent is damaged: {error}") from error
        flag = lt.torrent_flags
        settings.flags |= flag.seed_mode | flag.upload_mode
        settings.flags &= ~(flag.paused | flag.auto_managed)
        settings.save_path, _, name = file.rpartition("/")
        settings.renamed_files = {0: name}
        settings.trackers = self._placed(trackers, public_only=public_only)
        self._adding.add(key)
        # Waiting for each of ten thousand would take seconds.
        self._session.async_add_torrent(settings)

    def _note_added(self, alert: Any) -> Event | None:
        hashes = alert.params.info_hashes
        key = str(hashes.v1 if hashes.has_v1() else hashes.v2)
        if key in self._adding:
            self._adding.discard(key)
            if alert.error.value():
                return TorrentInvalid(key, alert.error.message())
            self._know(key, alert.handle)
            return Added(key)
        if key in self._dropped:
            self._dropped.discard(key)
            if not alert.error.value():
                self._session.remove_torrent(alert.handle)
        return None

    def _never_give_up(self) -> None:
        """Have libtorrent dial the peers of all torrents for ever, less and less often.

        It tells torrents how often only when that changes: one that is added later has the
        default, with which a peer that did not answer is given up for good after six seconds.
        """
        before = self._session.get_settings()["max_failcount"]
        self._session.apply_settings({"max_failcount": _TRIES + (before == _TRIES)})

    def drop(self, key: str) -> None:
        """Stop seeding or fetching that torrent; its file stays."""
        if key in self._adding:
            self._adding.discard(key)
            self._dropped.add(key)
        handle = self._handles.pop(key, None)
        self._active.pop(key, None)
        if handle is not None:
            self._keys.pop(handle, None)
            self._session.remove_torrent(handle)

    def announce(self, key: str) -> None:
        """Announce to the DHT and the trackers now, not at the next interval."""
        self.announce_to_dht(key)
        self._handles[key].force_reannounce()

    def announce_to_dht(self, key: str) -> None:
        """Announce to the DHT now."""
        self._handles[key].force_dht_announce()

    def announce_again(self, key: str) -> None:
        """Announce again so that trackers send more browsers, ignoring their minimum interval.

        Between two announces libtorrent lets in `session_settings.WEBRTC_OFFERS` of them, and a
        page refused because of another from the same address does not retry by itself.
        """
        import libtorrent as lt

        self._handles[key].force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)

    def cut(self, host: str) -> None:
        """Close this machine's connections; it may connect again at once."""
        self._filter.cut(host)

    def serve(self, places: int) -> None:
        """Set the number of interested peers that may request pieces; -1 for all of them."""
        if places != self._places:
            self._places = places
            self._session.apply_settings({"unchoke_slots_limit": places})

    def statuses(self) -> list[TorrentStatus]:
        """Return the status of torrents that have had a peer or sent a byte in this session."""
        return [
            torrent_status(key, self._handles[key], status, is_web=self._is_web)
            for key, status in self._active.items()
        ]

    # -- fetching --------------------------------------------------------------

    def fetch(
        self,
        key: str,
        link: Link,
        folder: Path,
        trackers: Iterable[str],
        resume: bytes | None = None,
    ) -> Download:
        """Look for the link's torrent, and pause after its metadata. Raises NotALink."""
        settings = parameters(link, resume)
        if self._is_web:
            # It cannot reach them, and libtorrent would refuse a browser with the same address.
            settings.peers = []
        settings.save_path = str(folder)
        settings.trackers = self._placed(trackers, public_only=link.public_only)
        handle = self._add(key, settings)
        self._fetched.add(key)
        self._never_give_up()
        return Download(handle)

    def _add(self, key: str, settings: Any) -> Any:
        try:
            handle = self._session.add_torrent(settings)
        except RuntimeError as error:
            raise MemocastError(
                f"BitTorrent refused the torrent: {error}", hint="is it shared twice?"
            ) from error
        self._know(key, handle)
        return handle

    def _know(self, key: str, handle: Any) -> None:
        self._handles[key] = handle
        self._keys[handle] = key

    def _note(self, status: Any) -> None:
        key = self._keys.get(status.handle)
        if key and (status.num_peers or status.total_payload_upload):
            self._active[key] = status
