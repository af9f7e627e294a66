"""Watches, while something arrives, that the disk keeps the room that `disk_floor` leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.bittorrent.download import Progress
from memocast.errors import BelowDiskFloor
from memocast.fetching.progress import Loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.fetching.progress import Stage
    from memocast.library.disk_floor import DiskFloor

_LOOK_SECONDS = 0.5


class FloorWatch:
    """Passes the stages of a fetch on, and looks whether the rest of it has room.

    It looks when that is announced, by a server or a torrent and not by a feed, and twice a second.
    """

    def __init__(self, floor: DiskFloor, notify: Callable[[Stage], None]) -> None:
        self._floor = floor
        self._notify = notify
        self._looked = 0.0
        self._fits = 0
        self.received = 0
        """Bytes."""

    def __call__(self, stage: Stage) -> None:
        """Pass it on. Raises BelowDiskFloor if the rest has no room."""
        rest = 0
        if isinstance(stage, Loading | Progress):
            self.received = stage.done
            rest = max(0, stage.total - stage.done)
        if rest > self._fits or time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked, self._fits = time.monotonic(), rest
            if not self._floor.has_room(rest):
                raise BelowDiskFloor
        self._notify(stage)
