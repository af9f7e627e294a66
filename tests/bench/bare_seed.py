"""The least that seeding takes: libtorrent alone, until this process is ended.

bare_seed.py HOST:PORT FOLDER TORRENTS
"""

from __future__ import annotations

import sys
from pathlib import Path

import libtorrent as lt


def main(place: str, folder: str, torrents: str) -> None:
    """Seed the files in `folder` that the .torrent files in `torrents` describe."""
    session = lt.session(
        {
            "listen_interfaces": place,
            "enable_dht": False,
            "dht_bootstrap_nodes": "",
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "max_webtorrent_offers": 0,
            "webtorrent_stun_server": "",
            "allow_multiple_connections_per_ip": True,
            "unchoke_slots_limit": -1,
        }
    )
    for path in Path(torrents).iterdir():
        settings = lt.load_torrent_buffer(path.read_bytes())
        settings.save_path = folder
        settings.flags |= lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode
        settings.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
        session.async_add_torrent(settings)
    while True:
        session.wait_for_alert(60_000)
        session.pop_alerts()


if __name__ == "__main__":
    main(*sys.argv[1:])
