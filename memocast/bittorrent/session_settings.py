"""libtorrent's settings, for each kind of session; `docs/design.md` says what each was measured by.

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
"""So many browsers are let in between one announce to a WebSocket tracker and the next."""

MOST_WEB_TRACKERS = 10
"""For each torrent. A link may name 30, and each takes offers of its own."""

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
"""First and last of those that no router passes on to the Internet: RFC 1918, 3927, 4193, 4291."""

EVERYBODY = -1
"""Peers that are served at once, as libtorrent has it."""

_MIB = 1 << 20


def classic(
    settings: Settings, addresses: Sequence[tuple[str, int]], *, exact_port: bool, brief: bool
) -> Pack:
    """For a session without WebRTC, listening on these IP addresses and ports.

    It dials peers by uTP, and by TCP those that do not answer; a `brief` one by TCP only.
    """
    return {
        **_common(settings),
        # Who we reach, and how.
        "listen_interfaces": ",".join(address(*pair) for pair in addresses),
        "listen_system_port_fallback": not exact_port,
        "max_retry_port_bind": 0 if exact_port else 10,
        "enable_dht": settings.dht,
        "dht_bootstrap_nodes": ",".join(settings.dht_bootstrap),
        "dht_upload_rate_limit": 100_000,
        # Nodes that are gone in a second would hold everybody up who looks for something.
        "dht_read_only": brief,
        "enable_lsd": settings.lsd,
        "enable_upnp": settings.port_mapping,
        "enable_natpmp": settings.port_mapping,
        # Speed on links that have it.
        "enable_outgoing_utp": not brief,
        "utp_connect_timeout": 1_000,
        "peer_connect_timeout": 10 if brief else 15,
        "recv_socket_buffer_size": _MIB,
        "send_socket_buffer_size": _MIB,
        "max_webtorrent_offers": 0,
        "webtorrent_stun_server": "",
        # Many listeners behind one address, each served at once, and seen.
        "allow_multiple_connections_per_ip": True,
        "allow_multiple_connections_per_pid": True,
    }


def web(settings: Settings) -> Pack:
    """For a session that speaks WebRTC and nothing else."""
    return {
        **_common(settings),
        "allow_multiple_connections_per_ip": False,
        "max_webtorrent_offers": WEBRTC_OFFERS,
        # Each offer holds a descriptor until somebody takes it or this many seconds are over.
        "webtorrent_connection_timeout": 15,
        # Until it is known to answer: offers wait for it, and those 15 s end first.
        "webtorrent_stun_server": "",
        # Without an address to listen on libtorrent announces to no tracker, not even to those
        # that have no use for one.
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
        # One that accepts and never answers is told of within 15 s, instead of 30.
        "tracker_completion_timeout": 12,
        "stop_tracker_timeout": 1,
        "unchoke_slots_limit": EVERYBODY,
        # Whoever comes while only some are served waits no longer than that for a place.
        "unchoke_interval": 2,
        "close_redundant_connections": False,
        "connections_limit": 1_000,
        "min_reconnect_time": 1,
        # Of each torrent libtorrent dials so many peers at once when it hears of them, the later
        # ones only with its tick of every second. 255 is the most it can count.
        "torrent_connect_boost": 255,
        # With the default, 3, a peer named by the user is given up for good after 6 s.
        "max_failcount": 50,
        "tick_interval": 100,
        "upload_rate_limit": settings.upload_limit,
        "download_rate_limit": settings.download_limit,
        # Strangers decide the metadata's size, up to here.
        "max_metadata_size": 4 * _MIB,
    }
