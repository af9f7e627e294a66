"""Whose turn it is when the seeder syncs, how long that lasts, and how long what failed waits.

What needs more time than a turn, and cannot be continued, gets twice as much the next time, but
tries it half as often: a slow server's audio arrives, and one that never ends costs little.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem

MOST_SECONDS = 3600.0
"""The longest turn, and the usual one when the user waits for it."""

TOO_LONG = "it takes longer than a sync may take"
"""The problem of an item whose fetch a turn's end interrupted."""

_FIRST_PAUSE = 300.0
_DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class SyncLimits:
    """How long each torrent may make no progress, and how long each source may take, in seconds.

    No source is begun after `begin_seconds`. Unless `eager`, what failed is retried less and less
    often, a source that needs it gets more time, and one that another process is syncing is left
    to it.
    """

    timeout: float = 30.0
    source_seconds: float = MOST_SECONDS
    begin_seconds: float = float("inf")
    eager: bool = True


def must_wait(listed: ListedItem) -> bool:
    """Return whether the item failed, and it is too early to try it again."""
    return bool(listed.problem) and time.time() < listed.tried + _pause(listed.tries)


def seconds_for(library: Library, source: Channel, limits: SyncLimits) -> float:
    """Return how long the source's turn may last now."""
    usual = limits.source_seconds
    if limits.eager:
        return usual
    items = library.feed_items
    tries = library.channels.lost_turns().get(source.number, 0)
    if items.has_problem(source, TOO_LONG):
        too_long = (one for one in items.wanted(source) if one.problem == TOO_LONG)
        tries = max([tries, *(one.tries for one in too_long if not must_wait(one))])
    return max(usual, min(usual * 2.0 ** min(tries, 20), MOST_SECONDS))


def in_turn(library: Library, limits: SyncLimits) -> list[Channel]:
    """Return the channels in the order in which to sync them; those that get more time come last.

    One of which several turns in a row brought nothing, not even its feed, waits unless `eager`.
    """
    found = library.channels.in_turn()
    if limits.eager:
        return found
    lost = library.channels.lost_turns()
    moment = time.time()
    due = [
        one
        for one in found
        if one.number not in lost or moment >= one.checked + _pause(lost[one.number])
    ]
    return sorted(due, key=lambda one: seconds_for(library, one, limits) > limits.source_seconds)


def quick(library: Library, limits: SyncLimits, interval: float) -> list[Channel]:
    """Return the channels for a sync beside one that slow channels hold up.

    None of those, and none that was checked just now. `interval`: seconds between the seeder's.
    """
    slow = library.channels.slow()
    before = time.time() - interval / 2
    return [
        one
        for one in in_turn(library, limits)
        if one.number not in slow
        and one.checked <= before
        and seconds_for(library, one, limits) == limits.source_seconds
    ]


def _pause(tries: int) -> float:
    return min(_FIRST_PAUSE * 2.0 ** min(tries, 20), _DAY)
