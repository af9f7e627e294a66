"""Syncing one source, within its time: a channel, a podcast, or the user's other devices."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
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

    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.settings import Settings

SOURCE_SECONDS = 3600.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """How long each torrent may make no progress, and how long each source may take, in seconds.

    No source is begun after `begin_seconds`. Unless `eager`, what failed is retried less and less
    often, and a source that another process is syncing is left to it.
    """

    timeout: float = 30.0
    source_seconds: float = SOURCE_SECONDS
    begin_seconds: float = math.inf
    eager: bool = True


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
    except OutOfTime:
        news.problems += out_of_time(library, source, limits)
    except MemocastError as error:
        news.problems.append(error)
    finally:
        if held is not None:
            os.close(held)
    hear(Ended(source.number, news if held is not None or news.problems else None))


def out_of_time(library: Library, source: Channel, limits: SyncLimits) -> list[MemocastError]:
    """Note that the source's time is over, so that it comes last next time; return the errors."""
    problems: list[MemocastError] = [
        SwarmTimeout(
            f"{name_of(source)} took longer than {limits.source_seconds:g} s",
            hint="what has arrived is kept, and the next sync goes on from there",
        )
    ]
    try:
        library.channels.note_time(source, slow=True)
    except LibraryError as error:
        problems.append(error)
    return problems


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
    while True:
        with library.translated():
            held = lock(path, wait=_LOOK_SECONDS if limits.eager else 0.0)
        if held is not None or not limits.eager:
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
