"""Which of the trackers in links a session asks, when their names are slow or not found."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from helpers.fake_internet import PUBLIC, ROUTER
from memocast.bittorrent import strangers_trackers
from memocast.bittorrent.strangers_trackers import StrangersTrackers

if TYPE_CHECKING:
    from collections.abc import Iterator

SIX = "2606:4700::1111"


class Resolver:
    """Finds `good.example`; `slow.example` is not found until the test ends.

    `answers` has the addresses of other names.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[str]] = {}
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
        found = self.answers.get(host, [PUBLIC])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in found]


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


def asked(trackers: StrangersTrackers, url: str) -> list[str]:
    """What libtorrent is to ask for a tracker of a public feed."""
    allowed = trackers.allowed([url], public_only=True)
    return trackers.placed(allowed, public_only=True)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        (
            "udp://mixed.example:80/announce",
            [f"udp://{PUBLIC}:80/announce", f"udp://[{SIX}]:80/announce"],
        ),
        ("udp://MIXED.example:80", [f"udp://{PUBLIC}:80/", f"udp://[{SIX}]:80/"]),
        ("udp://user@mixed.example:80", []),  # libtorrent could read another host
        ("udp://mixed.example:port", []),
        ("udp://mixed.example:80?a=/b#c", [f"udp://{PUBLIC}:80/?a=/b", f"udp://[{SIX}]:80/?a=/b"]),
        ("ws://mixed.example/key?a=b", [f"ws://{PUBLIC}/key?a=b"]),
        ("wss://mixed.example/", []),
        ("wss://good.example/key", ["wss://good.example/key"]),
        ("udp://inside.example:80", []),
        ("ws://inside.example/", []),
        ("wss://inside.example/", []),
        ("udp://:80", []),
    ],
)
def test_a_public_feeds_tracker_is_asked_at_public_addresses_only(
    resolver: Resolver, url: str, found: list[str]
) -> None:
    resolver.answers |= {"mixed.example": [ROUTER, PUBLIC, SIX], "inside.example": [ROUTER]}
    trackers = StrangersTrackers([], ["127.0.0.1"])
    assert asked(trackers, url) == found
    # Later answers of the name server change nothing.
    resolver.answers["mixed.example"] = [ROUTER]
    assert asked(trackers, url) == found
    assert [trackers.named(each, "0.0.0.0") for each in found[:1]] == [url] * bool(found)


def test_each_address_of_ours_has_its_address_of_a_udp_tracker(resolver: Resolver) -> None:
    resolver.answers["both.example"] = [SIX, PUBLIC]
    trackers = StrangersTrackers([], ["127.0.0.1", "::1"])
    url = "udp://both.example:80/announce"
    six, four = asked(trackers, url)
    assert [trackers.named(four, "127.0.0.1"), trackers.named(six, "::1")] == [url, url]
    # From the other it is not reached, which is no failure of the tracker's.
    assert trackers.named(four, "::1") == trackers.named(six, "127.0.0.1") == ""


def test_the_users_own_trackers_are_asked_as_they_are_for_a_public_feed_too(
    resolver: Resolver,
) -> None:
    resolver.answers["nas.lan"] = [ROUTER]
    own = ["udp://nas.lan:80/announce", "http://nas.lan/announce", "ws://nas.lan/x"]
    trackers = StrangersTrackers(own, ["127.0.0.1"])
    assert [asked(trackers, url) for url in own] == [[url] for url in own]
