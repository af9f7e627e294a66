"""Which of the trackers in links a session asks, when their names are slow or not found."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from helpers.fake_internet import PUBLIC
from memocast.bittorrent import strangers_trackers
from memocast.bittorrent.strangers_trackers import StrangersTrackers

if TYPE_CHECKING:
    from collections.abc import Iterator


class Resolver:
    """Finds `good.example`; `slow.example` is not found until the test ends."""

    def __init__(self) -> None:
        self.is_up = True
        self.asked: list[str] = []
        self.over = threading.Event()

    def __call__(self, host: str, port: int | None, *rest: Any, **more: Any) -> Any:
        if not more.get("flags"):
            self.asked.append(host)
            if not self.is_up:
                raise socket.gaierror(socket.EAI_AGAIN, "no network")
            if host.endswith("slow.example"):
                self.over.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 0))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made)
    yield made
    made.over.set()


def test_many_slow_names_take_no_longer_than_one(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers_trackers, "_LOOK_UP_SECONDS", 0.2)
    slow = [f"wss://{number}.slow.example/key" for number in range(29)]
    good = "wss://good.example/key"
    trackers = StrangersTrackers([], ["127.0.0.1"])
    began = time.monotonic()
    assert trackers.allowed([*slow, good]) == [good]
    assert time.monotonic() - began < 2
    assert len(resolver.asked) == 30
    # The next memos of the same sender do not wait for them again.
    assert trackers.allowed([*slow, good]) == [good]
    assert len(resolver.asked) == 30


def test_a_name_that_was_not_found_is_looked_up_again_later(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trackers = StrangersTrackers([], ["127.0.0.1"])
    good = "wss://good.example/key"
    resolver.is_up = False
    assert trackers.allowed([good]) == []
    resolver.is_up = True
    assert trackers.allowed([good]) == []  # only a moment later
    monkeypatch.setattr(strangers_trackers.time, "monotonic", lambda now=time.monotonic: now() + 61)
    assert trackers.allowed([good]) == [good]
    assert trackers.allowed([good]) == [good]
    assert len(resolver.asked) == 2


def test_names_are_looked_up_up_to_a_limit(resolver: Resolver) -> None:
    trackers = StrangersTrackers([], ["127.0.0.1"])
    urls = [f"wss://{number}.good.example/key" for number in range(200)]
    assert trackers.allowed(urls) == urls[:100]
    assert len(resolver.asked) == 100
