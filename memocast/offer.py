"""Offer: one memo that is being seeded, and what its swarm took of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memocast.shares import Seedable
    from memocast.swarm import Transfer

SAFE_SECONDS = 10.0
"""A copy counts as one to rely on when it is still there this long after it was complete."""


@dataclass(slots=True)
class Offer:
    """One memo on offer. `uploaded` in bytes in this run, of which `tallied` are written down."""

    seedable: Seedable
    uploaded: int = 0
    tallied: int = 0
    new_copies: int = 0
    last_copy: int | None = None
    complete_since: dict[str, float] = field(default_factory=dict)
    sent_to_complete: dict[str, int] = field(default_factory=dict)
    unseen_copies: int = 0
    said: tuple[int, int, int] = (0, 0, 0)

    def count(self, transfer: Transfer, moment: float) -> None:
        """Count copies: complete peers, and those that came and went between two looks.

        The latter show in the bytes: as many as make a copy were sent to
        peers that are gone and were never seen complete.
        """
        self.uploaded = transfer.uploaded
        complete = {peer.identity: peer.sent for peer in transfer.peers if peer.complete}
        self.complete_since = {
            identity: self.complete_since.get(identity, moment) for identity in complete
        }
        fresh = len(complete.keys() - self.sent_to_complete.keys())
        self.sent_to_complete |= complete
        accounted = sum(self.sent_to_complete.values()) + sum(
            peer.sent for peer in transfer.peers if not peer.complete
        )
        unseen = (transfer.uploaded - accounted) // max(self.seedable.memo.size, 1)
        if unseen > self.unseen_copies:
            fresh += unseen - self.unseen_copies
            self.unseen_copies = unseen
        if fresh:
            self.new_copies += fresh
            self.last_copy = int(time.time())

    def facts(self, transfer: Transfer) -> dict[str, Any]:
        """What `status` and the events of `seed` tell of it."""
        moment = time.monotonic()
        return {
            "peers": len(transfer.peers),
            "upload_rate": transfer.upload_rate,
            "uploaded": transfer.uploaded,
            "copies": len(self.complete_since),
            "safe": any(moment - since >= SAFE_SECONDS for since in self.complete_since.values()),
        }
