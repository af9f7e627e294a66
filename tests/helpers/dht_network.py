"""A DHT of our own, and users who are on it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Self

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.fake_clock import Clock
from helpers.processes import running
from helpers.repository import TESTS
from helpers.trackers import HttpTracker
from helpers.waiting import DEADLINE, wait_for
from memocast.bittorrent import dht

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

NODES = 20


def dht_nodes(
    count: int, address: str = "127.0.{}.1", **changes: object
) -> tuple[list[lt.session], list[str]]:
    """Bare libtorrent sessions that know each other, each on an address of its own."""
    sessions = [
        bare_session(
            listen_interfaces=f"{address.format(number)}:0",
            enable_dht=True,
            # Of so few nodes each is asked so often that it would take that for an attack, and
            # has to say so much that it would leave out some answers.
            dht_block_ratelimit=1_000,
            dht_upload_rate_limit=1_000_000,
            **changes,
        )
        for number in range(1, count + 1)
    ]
    addresses = [
        (address.format(number), session.listen_port())
        for number, session in enumerate(sessions, start=1)
    ]

    def acquainted() -> bool:
        for session in sessions:
            for address in addresses:
                session.add_dht_node(address)
            session.post_session_stats()
        known: list[int] = []
        for session in sessions:
            session.wait_for_alert(200)
            known.extend(
                alert.values["dht.dht_nodes"]
                for alert in session.pop_alerts()
                if isinstance(alert, lt.session_stats_alert)
            )
        return len(known) == len(sessions) and min(known) > 0

    wait_for("a DHT", acquainted)
    return sessions, [f"{host}:{port}" for host, port in addresses]


@pytest.fixture
def bootstrap() -> Iterator[str]:
    """A few of its nodes, as the setting `dht_bootstrap` has them.

    For each test anew: of so few nodes, each that has ended is waited for by everybody.
    """
    nodes, addresses = dht_nodes(NODES)
    yield " ".join(addresses[:3])
    del nodes


class ForgetfulDht:
    """Nodes in a process of their own, on whose clock hours can go by.

    libtorrent keeps an item for two hours at least, whatever `dht_item_lifetime` says.
    """

    def __init__(self, folder: Path) -> None:
        self._clock = Clock(folder)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.dht_server", str(NODES)],
            cwd=TESTS,
            env={**os.environ, **self._clock.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        self._addresses = self._process.stdout.readline().split()[:3]
        return self

    def __exit__(self, *_: object) -> None:
        with running(self._process):
            pass

    @property
    def bootstrap(self) -> str:
        """A few of its nodes, as the setting `dht_bootstrap` has them."""
        return " ".join(self._addresses)

    def knows(self, link: str) -> bool:
        """Whether its nodes have the item of the channel."""
        key = bytes.fromhex(link.partition("urn:btpk:")[2][:64])
        with dht.Dht() as client:
            nodes = dht.resolve(tuple(self._addresses), 1)
            return client.get(key, b"memocast", nodes, DEADLINE).item is not None

    def advance(self, hours: int) -> None:
        """Let that much time have gone by since it began."""
        self._clock.jump(hours * 3600)


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
