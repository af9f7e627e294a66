"""libtorrent's sessions that were left: none is ended, and the next one like it is the same again.

At a session's end libtorrent waits, without a limit, for WebSocket trackers that have taken a
connection and are silent, and for former peers to confirm that their uTP connections are closed.
A session that is left keeps eight descriptors, four threads and a megabyte until its process ends.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memocast.bittorrent.session_settings import Pack

_FRESH_SECONDS = 60.0
"""How long a session can be taken again. Later, a router may have forgotten its connections to
WebSocket trackers, and libtorrent would wait for answers over them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    session: Any
    pack: Pack
    until: float


_left: list[_Left] = []
_lock = threading.Lock()


def leave(session: Any, pack: Pack) -> None:
    """Leave a session that began with the settings `pack`, with no torrents."""
    for handle in session.get_torrents():
        session.remove_torrent(handle)
    with _lock:
        _left.append(_Left(session, pack, time.monotonic() + _FRESH_SECONDS))


def begin(pack: Pack) -> Any:
    """Return a session with these settings and no torrents; one that was left, if there is one."""
    import libtorrent as lt

    session = _taken(pack)
    if session is None:
        return lt.session(pack)
    # What was changed since it began.
    session.apply_settings(pack)
    session.set_ip_filter(lt.ip_filter())
    session.resume()
    session.pop_alerts()
    return session


def _taken(pack: Pack) -> Any:
    with _lock:
        for left in reversed(_left):
            if left.pack == pack and time.monotonic() < left.until:
                _left.remove(left)
                return left.session
    return None
