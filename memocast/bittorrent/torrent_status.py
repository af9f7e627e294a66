"""The status of a session's torrents and their peers, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Peer:
    """A connected peer. `identity` lasts as long as its session; `sent` is the bytes we sent it.

    `browser`: it came to a web session and is not memocast. `stalled`: seconds since anything
    passed to a peer that wants something, 0 if it wants nothing. `has`: bytes of the pieces that
    it has announced.
    """

    identity: str
    sent: int
    complete: bool
    browser: bool = False
    host: str = ""
    stalled: int = 0
    has: int = 0


@dataclass(frozen=True, slots=True)
class TorrentStatus:
    """The current status of one torrent.

    `upload_rate` in bytes a second, `uploaded` in bytes since the session began.
    """

    key: str
    upload_rate: int
    uploaded: int
    peers: tuple[Peer, ...]


def torrent_status(key: str, handle: Any, status: Any, *, is_web: bool) -> TorrentStatus:
    """Return the TorrentStatus for a libtorrent `torrent_handle` and `torrent_status`."""
    import libtorrent as lt

    # Only torrents that have peers are asked for them: there may be thousands of torrents.
    peers = handle.get_peer_info() if status.num_peers else []
    unready = lt.peer_info.connecting | lt.peer_info.handshake
    return TorrentStatus(
        key=key,
        upload_rate=status.upload_payload_rate,
        uploaded=status.total_payload_upload,
        peers=tuple(
            Peer(
                str(peer.pid),
                peer.total_upload,
                bool(peer.flags & lt.peer_info.seed) or peer.progress_ppm == 1_000_000,
                is_web and not peer.client.startswith(b"memocast/"),
                str(peer.ip[0]),
                peer.last_active if peer.flags & lt.peer_info.remote_interested else 0,
                peer.progress_ppm * status.total_wanted // 1_000_000,
            )
            for peer in peers
            if not peer.flags & unready
        ),
    )
