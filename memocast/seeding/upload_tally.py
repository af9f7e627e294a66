"""Counting the uploads and the complete copies of one torrent."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.library.seeder_report import Uploads

if TYPE_CHECKING:
    from memocast.bittorrent.torrent_status import TorrentStatus

MOST_GONE = 256
"""Peers that have left and are still known, the last ones: one that comes back is not counted
again. There is no end of peers, and each look at them goes through all that are known."""

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
    # To each peer, when last seen; those that are connected come last.
    _sent: dict[str, int] = field(default_factory=dict)
    _sent_to_forgotten: int = 0
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
            self._sent[peer.identity] = max(self._sent.pop(peer.identity, 0), peer.sent)
        seen = sum(self._sent.values()) + self._sent_to_forgotten
        spare = status.uploaded - seen - self._unseen * size
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
        self._forget(len(self._sent) - len(connected) - MOST_GONE)

    def _forget(self, count: int) -> None:
        """Forget those that left first."""
        for identity in list(itertools.islice(self._sent, max(0, count))):
            self._sent_to_forgotten += self._sent.pop(identity)
            self._counted.discard(identity)

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
