"""Offer: one memo that is being seeded, and what its swarm took of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memocast.bittorrent.torrent_status import TorrentStatus

SAFE_SECONDS = 10.0
"""A copy counts as one to rely on when it is still there this long after it was complete."""


def together(*parts: dict[str, Any] | None) -> dict[str, Any]:
    """What is said of several torrents, or by several sessions of one, as if they were one."""
    said = [part for part in parts if part]
    whole = dict(said[0])
    for part in said[1:]:
        for key, value in part.items():
            if isinstance(value, bool):
                whole[key] = whole[key] or value
            elif isinstance(value, int):
                whole[key] += value
    return whole


@dataclass(slots=True)
class UploadTally:
    """One memo of `size` bytes on offer.

    `uploaded` in bytes in this run, of which `tallied` are written down.
    """

    size: int
    uploaded: int = 0
    tallied: int = 0
    new_copies: int = 0
    last_copy: int | None = None
    complete_since: dict[str, float] = field(default_factory=dict)
    said: tuple[int, int, int] = (0, 0, 0)
    _sent: dict[str, int] = field(default_factory=dict)  # to each peer, at its latest look
    _counted: set[str] = field(default_factory=set)
    _unseen: int = 0

    def count(self, transfer: TorrentStatus, moment: float) -> None:
        """Count copies: peers seen complete, and those that became so between two looks.

        The latter show in the bytes: what was sent, and not to a peer as far as
        it was looked at, went to one that has just left, or that was never seen.
        """
        size = max(self.size, 1)
        self.uploaded = transfer.uploaded
        complete = {peer.identity for peer in transfer.peers if peer.complete}
        self.complete_since = {
            identity: self.complete_since.get(identity, moment) for identity in complete
        }
        fresh = complete - self._counted
        for peer in transfer.peers:
            self._sent[peer.identity] = max(self._sent.get(peer.identity, 0), peer.sent)
        spare = transfer.uploaded - sum(self._sent.values()) - self._unseen * size
        connected = {peer.identity for peer in transfer.peers}
        for identity in self._sent.keys() - connected - self._counted - fresh:
            missing = size - self._sent[identity]
            if 0 <= missing <= spare:
                self._sent[identity] = size
                spare -= missing
                fresh.add(identity)
        unseen = max(0, spare // size)
        self._unseen += unseen
        self._counted |= fresh
        if fresh or unseen:
            self.new_copies += len(fresh) + unseen
            self.last_copy = int(time.time())

    def facts(self, transfer: TorrentStatus) -> dict[str, Any]:
        """What `status` and the events of `seed` tell of it."""
        moment = time.monotonic()
        return {
            "peers": len(transfer.peers),
            "browsers": sum(peer.browser for peer in transfer.peers),
            "upload_rate": transfer.upload_rate,
            "uploaded": transfer.uploaded,
            "copies": len(self.complete_since),
            "safe": any(moment - since >= SAFE_SECONDS for since in self.complete_since.values()),
        }
