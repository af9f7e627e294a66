"""Syncing one source, within its time: a channel, a podcast, or the user's other devices."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from memocast.channels.follow import Follower, discard_unwanted
from memocast.channels.pair import Pairing
from memocast.channels.republish import Republisher
from memocast.channels.sync_events import Arrived, Ended, Event, Moved, News
from memocast.channels.time_limit import OutOfTime, time_limit
from memocast.errors import BelowDiskFloor, LibraryError, MemocastError, SwarmTimeout
from memocast.fetching.progress import Encrypting, Stage, Waiting
from memocast.files import lock
from memocast.library.disk_floor import DiskFloor

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.channels.turns import SyncLimits
    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.settings import Settings

_LOOK_SECONDS = 0.2
_GOES_ON = "what has arrived is kept, and the next sync goes on from there"
_BEGINS_ANEW = "it has to begin anew; allow it more time: memocast sync --deadline 3h"
_IS_BUSY = "another memocast is at it; try again later"


def sync_source(
    library: Library,
    settings: Settings,
    source: Channel,
    limits: SyncLimits,
    hear: Callable[[Event], None],
) -> None:
    """Sync the source and tell `hear` what happens, last that it has ended.

    To be called in the main thread. Problems, also of the library, are in the news.
    """
    news = News()
    held: int | None = None
    try:
        with time_limit(limits.source_seconds):
            held = _locked(library, source, limits, hear)
            if held is not None:
                _sync(library, settings, source, limits, news, hear)
    except OutOfTime as over:
        if held is not None:
            news.problems += out_of_time(library, source, limits.source_seconds, over)
        elif limits.eager:
            news.problems.append(_too_long(source, limits.source_seconds, _IS_BUSY))
    except MemocastError as error:
        news.problems.append(error)
    finally:
        if held is not None:
            os.close(held)
    hear(Ended(source.number, news if held is not None or news.problems else None))


def out_of_time(
    library: Library, source: Channel, seconds: float, over: OutOfTime
) -> list[MemocastError]:
    """Note that the source's time is over, so that it comes last next time; return the errors."""
    error = _too_long(source, seconds, _GOES_ON if over.is_kept else _BEGINS_ANEW)
    channels = library.channels
    try:
        if over.is_of_item:  # its feed was read
            channels.note_time(source, slow=True)
            return [error]
        note_failure(library, source, f"it took longer than {seconds:g} s")
        channels.note_time(source, slow=True, lost=not over.is_kept)
    except LibraryError as refused:
        return [error, refused]
    return [error]


def note_failure(library: Library, source: Channel, problem: str) -> None:
    """Note that the source was checked in vain, so that others come first. Raises LibraryError."""
    if source.kind == "channel":
        library.channels.note_check(source, int(time.time()), problem)


def _too_long(source: Channel, seconds: float, hint: str) -> MemocastError:
    return SwarmTimeout(f"{name_of(source)} took longer than {seconds:g} s", hint=hint)


def name_of(source: Channel) -> str:
    """Return how messages name the source."""
    return f"'{source.name}'" if source.kind == "channel" else "your devices"


def held_back(library: Library, settings: Settings, count: int) -> MemocastError:
    """Return the error for `count` memos for which the disk has no room."""
    floor = DiskFloor(library.root, settings.disk_floor)
    with library.translated():
        return BelowDiskFloor(
            f"{floor.said}: {count} new {'memo was' if count == 1 else 'memos were'} not fetched"
        )


def _locked(
    library: Library, source: Channel, limits: SyncLimits, hear: Callable[[Event], None]
) -> int | None:
    path = library.root / f"sync-{source.number}.lock"
    # A change may have been made after the other process looked for those of this device.
    waits = limits.eager or source.kind == "pair"
    while True:
        with library.translated():
            held = lock(path, wait=_LOOK_SECONDS if waits else 0.0)
        if held is not None or not waits:
            return held
        hear(Moved(source.number, Waiting()))


def _sync(
    library: Library,
    settings: Settings,
    source: Channel,
    limits: SyncLimits,
    news: News,
    hear: Callable[[Event], None],
) -> None:
    def show(stage: Stage) -> None:
        hear(Moved(source.number, stage))

    def arrived(memo: str) -> None:
        hear(Arrived(source.number, memo))

    republisher = Republisher(library, settings)
    if source.kind == "pair":
        pairing = Pairing(library, settings, republisher, limits.timeout)
        pairing.sync(source, news, show, arrived, lambda size: show(Encrypting(size)))
    else:
        follower = Follower(library, settings, republisher, limits.timeout, eager=limits.eager)
        follower.sync(source, news, show, arrived)
        discard_unwanted(library)
    library.channels.note_time(source, slow=False)
