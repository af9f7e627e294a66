"""At which addresses a libtorrent session has peers."""

from __future__ import annotations

from collections import Counter
from typing import Any

from memocast.bittorrent import session_settings

_MOST_BANS = 3
"""There may be many listeners behind one address; three bans are more than one's mishap."""

_EVERYWHERE = (("0.0.0.0", "255.255.255.255"), ("::", f"{'ffff:' * 7}ffff"))  # noqa: S104


class PeerFilter:
    """The filter of a libtorrent session, which it keeps from ending."""

    def __init__(self, session: Any) -> None:
        import libtorrent as lt

        self._session = session
        self._bans: Counter[str] = Counter()
        # Without a filter, the rate limits leave out loopback and LAN peers.
        everyone = lt.ip_filter()
        for first, last in _EVERYWHERE:
            everyone.add_rule(first, last, 1 << session.global_peer_class_id)
        session.set_peer_class_filter(everyone)

    def keep_to_lan(self) -> None:
        """Have no peers outside the local network."""
        import libtorrent as lt

        rules = lt.ip_filter()
        for first, last in _EVERYWHERE:
            rules.add_rule(first, last, 1)
        for first, last in session_settings.LAN_ADDRESSES:
            rules.add_rule(first, last, 0)
        self._session.set_ip_filter(rules)

    def count_ban(self, host: str) -> None:
        """Block a machine that keeps sending corrupt pieces.

        With several connections per address, libtorrent bans only the port
        that they came from, and the next connection has another.
        """
        self._bans[host] += 1
        if self._bans[host] == _MOST_BANS:
            rules = self._session.get_ip_filter()
            rules.add_rule(host, host, 1)
            self._session.set_ip_filter(rules)

    def cut(self, host: str) -> None:
        """Close this machine's connections; it may connect again at once."""
        rules = self._session.get_ip_filter()
        if rules.access(host):
            return  # blocked for good
        for flags in (1, 0):  # block, then unblock
            rules.add_rule(host, host, flags)
            self._session.set_ip_filter(rules)
