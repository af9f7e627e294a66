"""A libtorrent session that speaks WebRTC.

Its offers contain our public address, as the STUN server sees it. It uses that server only
while it answers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.bittorrent import left_sessions, session_settings, stun
from memocast.bittorrent.session import Session
from memocast.formats.trackers import WEB_SCHEMES

if TYPE_CHECKING:
    from memocast.bittorrent.events import Event
    from memocast.settings import Settings

_POLL_MILLISECONDS = 50
_WRITE_SECONDS = 5.0
"""The longest that a closed session may take to write what it holds: a disk can be slow."""


class WebRtcSession(Session):
    """A WebRTC session. It announces nothing until it knows whether its STUN server answers."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, session_settings.web(settings), WEB_SCHEMES)
        self._stun = stun.Watch(settings.stun_server) if settings.stun_server else None
        self._stun_url: str | None = None
        if self._stun:
            self._session.pause()

    @property
    def stun_answers(self) -> bool | None:
        """Whether the STUN server answers; None without one, or if it is not known yet."""
        return None if self._stun_url is None else bool(self._stun_url)

    def poll(self, seconds: float) -> list[Event]:
        """Wait up to `seconds` for events; return all that happened."""
        if self._stun and self._stun.url is not None:
            self._use(self._stun.url)
        return super().poll(seconds)

    def _use(self, url: str) -> None:
        if url == self._stun_url:
            return
        is_first = self._stun_url is None
        self._stun_url = url
        self._session.apply_settings({"webtorrent_stun_server": url})
        if is_first:
            self._session.resume()
        else:
            self._announce_anew()

    def _announce_anew(self) -> None:
        """Make new offers: the old ones contain another address, or were never sent.

        Once offers wait for a STUN server that has become silent, libtorrent never announces to
        that tracker again, but it does to a tracker that is new to it.
        """
        for handle in self._handles.values():
            handle.replace_trackers(
                [{"url": found["url"], "tier": found["tier"]} for found in handle.trackers()]
            )

    def close(self, goodbye: float = 0.2, *, is_empty: bool = False) -> None:
        """Leave every swarm, and stop asking the STUN server; write what is still in memory.

        The session is left (see `left_sessions`).
        """
        if self._stun:
            self._stun.close()
        had_peers = bool(self._active) or is_empty
        self._session.pause()
        # Without metadata there is nothing to write, and no answer.
        fetched = self._fetched & self._handles.keys()
        unwritten = {key for key in fetched if self._handles[key].torrent_file()}
        for key in unwritten:
            self._handles[key].flush_cache()
        moment = time.monotonic()
        until, latest = moment + goodbye * had_peers, moment + _WRITE_SECONDS
        while moment < until or (unwritten and moment < latest):
            self._session.wait_for_alert(_POLL_MILLISECONDS)
            for alert in self._session.pop_alerts():
                if type(alert).__name__ == "cache_flushed_alert":
                    unwritten.discard(self._keys.get(alert.handle, ""))
            moment = time.monotonic()
        left_sessions.leave(self._session, self._pack)
        self._let_go()
