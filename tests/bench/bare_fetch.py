"""The least that fetching takes: libtorrent alone, from a magnet with x.pe to the flushed file.

bare_fetch.py MAGNET FOLDER
"""

from __future__ import annotations

import sys
import time

import libtorrent as lt

_DEADLINE = 600.0


def main(magnet: str, folder: str) -> int:
    """Fetch; return the exit code."""
    session = lt.session(
        {
            "listen_interfaces": "127.0.0.1:0",
            "enable_dht": False,
            "dht_bootstrap_nodes": "",
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "max_webtorrent_offers": 0,
            "webtorrent_stun_server": "",
            # uTP is tried first, and is slow with the buffers it has by default.
            "recv_socket_buffer_size": 1 << 20,
            "send_socket_buffer_size": 1 << 20,
            "alert_mask": lt.alert.category_t.status_notification
            | lt.alert.category_t.storage_notification,
        }
    )
    settings = lt.parse_magnet_uri(magnet)
    settings.save_path = folder
    settings.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    handle = session.add_torrent(settings)
    end = time.monotonic() + _DEADLINE
    finished = False
    while time.monotonic() < end:
        session.wait_for_alert(1_000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.torrent_finished_alert):
                handle.flush_cache()
                finished = True
            elif isinstance(alert, lt.cache_flushed_alert) and finished:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
