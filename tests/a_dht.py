"""A DHT of our own, and users who are on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from test_discovery import dht_nodes
from trackers import HttpTracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Memocast

NODES = 10


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """A few of its nodes, as the setting `dht_bootstrap` has them.

    For each test anew: of so few nodes, each that has ended is waited for by everybody.
    """
    nodes, addresses = dht_nodes(NODES)
    yield " ".join(addresses[:3])
    del nodes


@pytest.fixture
def someone(memocast: Callable[..., Memocast], bootstrap: str) -> Iterator[Callable[..., Memocast]]:
    """Make users who are on that DHT, each with an address of their own, and share a tracker.

    The DHT could lead them to each other too, but its nodes remember everyone who ever announced
    something: with so few of them each look-up waits for somebody who has left.
    """
    made: list[str] = []
    tracker = HttpTracker()

    def make(name: str, **environment: str) -> Memocast:
        made.append(name)
        settings = {
            "MEMOCAST_DHT": "true",
            "MEMOCAST_DHT_BOOTSTRAP": bootstrap,
            "MEMOCAST_LISTEN": f"127.1.{len(made)}.1:0",
            "MEMOCAST_TRACKERS": tracker.url,
            "MEMOCAST_SYNC_INTERVAL": "0",
        }
        return memocast(name, **{**settings, **environment})

    with tracker:
        yield make
