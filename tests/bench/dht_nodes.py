"""A DHT of our own: libtorrent sessions that know each other, until this process is ended.

dht_nodes.py ADDRESS…

Prints where they listen, as JSON, once each knows some of the others.
"""

from __future__ import annotations

import json
import signal
import sys
import time

import libtorrent as lt

_DEADLINE = 30.0


def main(addresses: list[str]) -> int:
    """Run a node at each of the IP addresses; return the exit code."""
    sessions = [_node(address) for address in addresses]
    places = [
        (address, session.listen_port())
        for address, session in zip(addresses, sessions, strict=True)
    ]
    deadline = time.monotonic() + _DEADLINE
    while min(_known(session, places) for session in sessions) < len(places) // 2:
        if time.monotonic() > deadline:
            return 1
    print(json.dumps([f"{address}:{port}" for address, port in places]), flush=True)
    signal.pause()  # until it is ended
    return 0


def _node(address: str) -> lt.session:
    return lt.session(
        {
            "listen_interfaces": f"{address}:6881",
            "enable_dht": True,
            "dht_bootstrap_nodes": "",
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "webtorrent_stun_server": "",
            # Of so few nodes each is asked so often that it would take that for an attack.
            "dht_block_ratelimit": 1_000,
            "dht_upload_rate_limit": 1_000_000,
        }
    )


def _known(session: lt.session, places: list[tuple[str, int]]) -> int:
    """How many other nodes it knows, after it has been told of all of them once more."""
    for place in places:
        session.add_dht_node(place)
    session.post_session_stats()
    while True:
        session.wait_for_alert(1_000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.session_stats_alert):
                return int(alert.values["dht.dht_nodes"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
