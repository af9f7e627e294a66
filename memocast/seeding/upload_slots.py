"""How many of the peers that want the same memo are served at once.

All of them, as long as they do not pass on what they receive. If they do, a few:
a slow uplink would send each the same pieces before any had one to pass on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.bittorrent.session_settings import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.bittorrent.torrent_status import TorrentStatus

FEW = 4
"""Peers per memo. `docs/performance.md` says what this limit gains."""

_LOOK_SECONDS = 2.0
_PASSED_ON = 2.0
"""Peers that pass pieces on gain at least this many times what we sent; mostly, ten times."""

_STILL_PASSED_ON = 1.2


class UploadSlots:
    """The upload slots of one session."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._pass_on = False
        self._next_look = 0.0
        self._had: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._gained = 0

    def places(self, statuses: Sequence[TorrentStatus], moment: float) -> int:
        """Return how many peers to serve from now on, at `moment` of the monotonic clock.

        `EVERYBODY`, unless more than `FEW` want the same memo and pass it on.
        """
        wanting = [sum(not peer.complete for peer in status.peers) for status in statuses]
        if max(wanting, default=0) <= FEW:
            self._begin()
            return EVERYBODY
        self._look(statuses, moment)
        return sum(min(count, FEW) for count in wanting) if self._pass_on else EVERYBODY

    def _look(self, statuses: Sequence[TorrentStatus], moment: float) -> None:
        peers = [peer for status in statuses for peer in status.peers]
        for peer in peers:
            self._gained += peer.has - self._had.get(peer.identity, peer.has)
        self._had = {peer.identity: peer.has for peer in peers}
        if moment < self._next_look:
            return
        sent = {status.key: status.uploaded for status in statuses}
        given = sum(size - self._sent.get(key, size) for key, size in sent.items())
        needed = _STILL_PASSED_ON if self._pass_on else _PASSED_ON
        self._pass_on = given > 0 and self._gained >= needed * given
        self._sent, self._gained = sent, 0
        self._next_look = moment + _LOOK_SECONDS
