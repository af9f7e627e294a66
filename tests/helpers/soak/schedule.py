"""Which event follows which: the same numbers have the same events, however often it is begun.

Six hours of ordinary life bring the seeder of somebody who is listened to a dozen peers a minute,
4,300 in all, of which many are scanners and clients that give up; and a handful of everything
else: a change of the network, a tracker that fails for a while, some memos shared or removed. 5,000
events have 4,580 peers, and of the rest many times as much: the network fails a hundred times,
trackers a hundred times, the disk is full fifty times. Each worker is killed twice only, since what
it keeps is to be seen. The time in which nothing would happen is left out.
"""

from __future__ import annotations

import random

CYCLE = 2_500
"""Events after which they begin anew, in another order of peers."""

_FIXED = (
    # Every so many events, from this one of a cycle on, in a cycle of full length.
    (50, 10, "network"),
    (50, 25, "trackers"),
    (50, 40, "library"),
    (100, 35, "disk"),
    (100, 85, "stop"),
    (2_500, 2_199, "kill web"),
    (2_500, 2_305, "kill classic"),
    (2_500, 2_455, "kill lan"),
)
_PEERS = {
    "client": 18,
    "half-open": 12,
    "silent": 8,
    "dead in a piece": 14,
    "garbage after handshake": 16,
    "garbage instead": 10,
    "wrong torrent": 6,
    "utp": 6,
    "crowd": 3,
    "killed fetch": 3,
    "browser": 4,
}
"""How often each kind of peer comes, of a hundred."""


def event(number: int, cycle: int, seed: int) -> str:
    """The name of that event, counted from 1. A cycle that is shorter has each disturbance once."""
    place = number % cycle
    if cycle < CYCLE:
        names = [name for _, _, name in _FIXED]
        places = {(n + 1) * cycle // (len(names) + 1): name for n, name in enumerate(names)}
        if place in places:
            return places[place]
    else:
        for every, first, name in _FIXED:
            if place % every == first:
                return name
        # The whole seeder ends every other cycle only: what its supervisor keeps is to be seen.
        if place == 0 and number // cycle % 2 == 0:
            return "kill seeder"
    return chances(number, seed).choices(list(_PEERS), list(_PEERS.values()))[0]


def chances(number: int, seed: int) -> random.Random:
    """The random numbers of that event."""
    return random.Random(f"{seed}/{number}")
