"""Somebody with a browser, for the seeder: libtorrent, which speaks WebRTC only.

    python -m helpers.soak.browser_peer LINK FOLDER

Ends once it has all of it, which libtorrent checks. In a process of its own, which can be killed.
"""

from __future__ import annotations

import sys
import time

import libtorrent as lt

from helpers.bare_session import bare_session
from helpers.soak.clients import added

SECONDS = 300.0
"""The network fails several times a minute. After each time a browser that died may keep its place
for half a minute, and one that follows asks again only after another while."""


def main(link: str, folder: str) -> int:
    session = bare_session(
        allow_multiple_connections_per_ip=False,
        max_webtorrent_offers=5,
        webtorrent_connection_timeout=15,
        enable_incoming_tcp=False,
        enable_outgoing_tcp=False,
        enable_incoming_utp=False,
        enable_outgoing_utp=False,
        announce_to_all_trackers=True,
        announce_to_all_tiers=True,
    )
    handle = added(session, link, folder, only="ws")
    deadline = time.monotonic() + SECONDS
    asked = time.monotonic()
    while not handle.status().is_seeding:
        if time.monotonic() > deadline:
            return 1
        if time.monotonic() > asked + 10:
            handle.force_reannounce(0, -1, lt.reannounce_flags_t.ignore_min_interval)
            asked = time.monotonic()
        session.wait_for_alert(50)
        session.pop_alerts()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
