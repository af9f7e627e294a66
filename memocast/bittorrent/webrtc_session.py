"""WebSwarm: a session that speaks WebRTC, for as long as libtorrent does not crash on it.

Its offers hold the address under which the STUN server sees us. It uses that server only
while it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.bittorrent import session_settings, stun
from memocast.bittorrent.session import Session
from memocast.formats.trackers import WEB_SCHEMES

if TYPE_CHECKING:
    from memocast.bittorrent.events import Event
    from memocast.settings import Settings


class WebRtcSession(Session):
    """Announces nothing before it is known whether the STUN server answers, if there is one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(session_settings.web(settings), WEB_SCHEMES)
        self._stun = stun.Watch(settings.stun_server) if settings.stun_server else None
        self._stun_url: str | None = None
        if self._stun:
            self._session.pause()

    @property
    def stun_answers(self) -> bool | None:
        """Whether the STUN server does; None when there is none, or it is not known yet."""
        return None if self._stun_url is None else bool(self._stun_url)

    def poll(self, seconds: float) -> list[Event]:
        """Wait up to `seconds` for something to happen; return all that has."""
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
        """Make new offers: the old ones have another address in them, or were never sent.

        For as long as offers wait for a server that has become silent, and ever after, libtorrent
        does not announce to that tracker again. It does to one that is new to it.
        """
        for handle in self._handles.values():
            handle.replace_trackers(
                [{"url": found["url"], "tier": found["tier"]} for found in handle.trackers()]
            )

    def close(self, goodbye: float = 0.2, *, is_empty: bool = False) -> None:
        """Leave every swarm, and ask the STUN server no more."""
        if self._stun:
            self._stun.close()
        super().close(goodbye, is_empty=is_empty)
