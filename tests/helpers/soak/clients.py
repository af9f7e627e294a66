"""What bare libtorrent clients of a soak have in common."""

from __future__ import annotations

from typing import Any

import libtorrent as lt


def added(session: Any, link: str, folder: str, *, only: str = "", peer: Any = None) -> Any:
    """Have a session fetch a link, from trackers whose address begins so, or from one peer."""
    settings = lt.parse_magnet_uri(link)
    settings.save_path = folder
    settings.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    settings.trackers = [url for url in settings.trackers if only and url.startswith(only)]
    if peer:
        settings.peers = [peer]
    return session.add_torrent(settings)
