"""libtorrent's settings for each kind of session; `docs/design.md` has the measurements.

* A *classic* session speaks TCP and uTP and finds peers by UDP and HTTP
  trackers, the DHT, LSD and PEX.
* A *web* session speaks WebRTC, which browsers do, and finds peers by WebSocket
  trackers. It needs `allow_multiple_connections_per_ip` off, where a classic one
  needs it on: with WebRTC, libtorrent 2.1.1 crashes when it is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memocast.formats.addresses import address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.settings import Settings

Pack = Any
"""A dictionary of settings, as `libtorrent.session` takes them."""

WEBRTC_OFFERS = 10
"""The most browsers that can connect between two announces to a WebSocket tracker."""

MOST_WEB_TRACKERS = 10
"""Per torrent. A link may name 30, and each takes its own offers."""

LAN_ADDRESSES = (
    ("10.0.0.0", "10.255.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("::1", "::1"),
    ("fc00::", f"fdff:{'ffff:' * 6}ffff"),
    ("fe80::", f"febf:{'ffff:' * 6}ffff"),
)
"""First and last of each range not routed to the Internet: RFC 1918, 3927, 4193, 4291."""

EVERYBODY = -1
"""libtorrent's number for unlimited upload slots."""

_MIB = 1 << 20

_MOST_PEERS = 1_000
"""Connected at a time, and waiting for it."""


def classic(
    settings: Settings, addresses: Sequence[tuple[str, int]], *, exact_port: bool, brief: bool
) -> Pack:
    """Return the settings of a session without WebRTC that listens on these IP addresses and ports.

    It dials peers by uTP, and by TCP if they do not answer; a `brief` one by TCP only.
    """
    return {
        **_common(settings),
        # Which peers we reach, and how.
        "listen_interfaces": ",".join(address(*pair) for pair in addresses),
        "listen_system_port_fallback": not exact_port,
        "max_retry_port_bind": 0 if exact_port else 10,
        "enable_dht": settings.dht,
        "dht_bootstrap_nodes": ",".join(settings.dht_bootstrap),
        "dht_upload_rate_limit": 100_000,
        # A node that is gone in a second would slow down other nodes' look-ups.
        "dht_read_only": brief,
        "enable_lsd": settings.lsd,
        "enable_upnp": settings.port_mapping,
        "enable_natpmp": settings.port_mapping,
        # Speed on fast links.
        "enable_outgoing_utp": not brief,
        "utp_connect_timeout": 1_000,
        "peer_connect_timeout": 10 if brief else 15,
        "recv_socket_buffer_size": _MIB,
        "send_socket_buffer_size": _MIB,
        "max_webtorrent_offers": 0,
        "webtorrent_stun_server": "",
        # Many listeners behind one address, each served at once and counted.
        "allow_multiple_connections_per_ip": True,
        "allow_multiple_connections_per_pid": True,
    }


def web(settings: Settings) -> Pack:
    """Return the settings of a session that speaks only WebRTC."""
    return {
        **_common(settings),
        "allow_multiple_connections_per_ip": False,
        "max_webtorrent_offers": WEBRTC_OFFERS,
        # Each offer holds a descriptor until it is answered or this many seconds have passed.
        "webtorrent_connection_timeout": 15,
        # Empty until the server is known to answer: offers wait for it, and expire after 15 s.
        "webtorrent_stun_server": "",
        # Without a listen address libtorrent announces to no tracker, even to those that do
        # not use one.
        "listen_interfaces": "127.0.0.1:0",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_tcp": False,
        "enable_outgoing_tcp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
    }


def _common(settings: Settings) -> Pack:
    import libtorrent as lt

    from memocast.version import __version__

    category = lt.alert.category_t
    return {
        "user_agent": f"memocast/{__version__}",
        "alert_mask": category.error_notification
        | category.status_notification
        | category.storage_notification
        | category.peer_notification
        | category.tracker_notification
        | category.port_mapping_notification
        | category.dht_notification,
        "alert_queue_size": 20_000,
        "announce_to_all_trackers": True,
        "announce_to_all_tiers": True,
        # A tracker that accepts and never answers is reported within 15 s, instead of 30.
        "tracker_completion_timeout": 12,
        "stop_tracker_timeout": 1,
        "unchoke_slots_limit": EVERYBODY,
        # A peer that arrives while slots are limited waits at most this long for one.
        "unchoke_interval": 2,
        "close_redundant_connections": False,
        "connections_limit": _MOST_PEERS,
        # How many may have connected before libtorrent looks. With the default, 5, the system drops
        # the sixth of those that come at once, which tries again after a second, then after two.
        "listen_queue_size": _MOST_PEERS,
        "min_reconnect_time": 1,
        # libtorrent dials this many of a torrent's new peers at once, and later ones only once a
        # second. 255 is the most it can count.
        "torrent_connect_boost": 255,
        "tick_interval": 100,
        "upload_rate_limit": settings.upload_limit,
        "download_rate_limit": settings.download_limit,
        # Strangers decide the metadata's size, up to here.
        "max_metadata_size": 4 * _MIB,
    }
