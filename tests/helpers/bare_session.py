"""Another client: libtorrent with nothing around it."""

from __future__ import annotations

import libtorrent as lt


def bare_session(**changes: object) -> lt.session:
    """Another client: libtorrent with nothing around it, which talks to nobody off this machine."""
    private = {
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "dht_bootstrap_nodes": "",
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "webtorrent_stun_server": "",
        "allow_multiple_connections_per_ip": True,
    }
    return lt.session({**private, **changes})  # type: ignore[call-overload]
