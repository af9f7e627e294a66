"""Counting the uploads and the complete copies of one torrent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.library.seeder_report import Uploads

if TYPE_CHECKING:
    from memocast.bittorrent.torrent_status import TorrentStatus

SAFE_SECONDS = 10.0
"""A copy counts as safe when its peer is still connected this long after completing it."""


@dataclass(slots=True)
class UploadTally:
    """The tally of a torrent of `size` bytes.

    `uploaded` is in bytes in this run, of which `tallied` are stored in the library.
    """

    size: int
    uploaded: int = 0
    tallied: int = 0
    new_copies: int = 0
    last_copy: int | None = None
    complete_since: dict[str, float] = field(default_factory=dict)
    said: tuple[int, int, int] = (0, 0, 0)
    _sent: dict[str, int] = field(default_factory=dict)  # to each peer, when last seen
    _counted: set[str] = field(default_factory=set)
    _unseen: int = 0

    def count(self, status: TorrentStatus, moment: float) -> None:
        """Count copies: peers seen complete, and those that completed between two calls.

        The latter show in the bytes: what was sent, but not to the peers seen so
        far, went to one that has just left or was never seen.
        """
        size = max(self.size, 1)
        self.uploaded = status.uploaded
        complete = {peer.identity for peer in status.peers if peer.complete}
        self.complete_since = {
            identity: self.complete_since.get(identity, moment) for identity in complete
        }
        fresh = complete - self._counted
        for peer in status.peers:
            self._sent[peer.identity] = max(self._sent.get(peer.identity, 0), peer.sent)
        spare = status.uploaded - sum(self._sent.values()) - self._unseen * size
        connected = {peer.identity for peer in status.peers}
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

    def uploads(self, status: TorrentStatus) -> Uploads:
        """Return the uploads as `memocast status` and the events of `seed` show them."""
        moment = time.monotonic()
        return Uploads(
            peers=len(status.peers),
            browsers=sum(peer.browser for peer in status.peers),
            upload_rate=status.upload_rate,
            uploaded=status.uploaded,
            copies=len(self.complete_since),
            safe=any(moment - since >= SAFE_SECONDS for since in self.complete_since.values()),
        )
