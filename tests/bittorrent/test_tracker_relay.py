"""What the relay asks of strangers' HTTP trackers, and what it knows of them."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from helpers.web_server import Reply, WebServer
from memocast.bittorrent import tracker_request
from memocast.bittorrent.tracker_relay import TrackerRelay
from memocast.network.public_connection import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = Reply(b"d8:intervali1800e5:peers0:e")


@pytest.fixture
def relay() -> Iterator[TrackerRelay]:
    """A relay on loopback."""
    with contextlib.closing(TrackerRelay(["127.0.0.1"])) as made:
        yield made


def announce(relay: TrackerRelay, tracker: str, event: str = "started") -> int:
    """Announce as libtorrent does; return the status of the relay's answer."""
    url = f"{relay.place(tracker)}?info_hash=%ab&event={event}"
    try:
        with urllib.request.urlopen(url) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_tracker_that_answers_knows_us_until_we_leave(
    relay: TrackerRelay, server: WebServer
) -> None:
    server.replies["/announce"] = ANSWER
    tracker = f"{server.url}/announce"
    assert announce(relay, tracker) == 200
    assert relay.is_known
    assert announce(relay, tracker, "stopped") == 200
    assert not relay.is_known


def test_a_tracker_that_leaves_before_us_needs_no_goodbye(
    relay: TrackerRelay, server: WebServer
) -> None:
    server.replies["/announce"] = ANSWER
    tracker = f"{server.url}/announce"
    announce(relay, tracker)
    server.replies.clear()
    assert announce(relay, tracker, "stopped") == 404
    assert not relay.is_known


def test_a_tracker_that_never_heard_of_us_does_not_know_us(
    relay: TrackerRelay, server: WebServer
) -> None:
    server.replies["/announce"] = Reply(status=403)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/announce"
    assert announce(relay, f"{server.url}/announce") == 403
    assert announce(relay, closed) == 502
    assert announce(relay, "http://127.0.0.1/admin") == 502  # where nothing is requested
    assert not relay.is_known


def test_a_connection_that_is_made_when_the_time_is_over_is_not_used(
    relay: TrackerRelay, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()
    cut, look_up = tracker_request._Dial.cut, socket.getaddrinfo

    def cut_and_tell(dial: Any) -> None:
        cut(dial)
        is_over.set()

    def look_up_slowly(host: str, *rest: Any, **more: Any) -> Any:
        assert host != "slow.localhost" or is_over.wait(10)
        return look_up("127.0.0.1" if host == "slow.localhost" else host, *rest, **more)

    monkeypatch.setattr(tracker_request, "_SECONDS", 0.1)
    monkeypatch.setattr(tracker_request._Dial, "cut", cut_and_tell)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_slowly)
    server.replies["/announce"] = ANSWER
    port = server.url.rpartition(":")[2]
    assert announce(relay, f"http://slow.localhost:{port}/announce") == 502
    assert server.asked == []


@pytest.mark.parametrize(
    ("tracker", "port"),
    [
        ("http://[2606:4700::1111]/announce", 80),
        ("https://[2606:4700::1111]/announce", 443),
        ("http://[2606:4700::1111]:6969/announce", 6969),
        ("http://[2606:4700::1111]:0/announce", 0),
    ],
)
def test_an_ipv6_address_is_dialled_at_its_port(
    relay: TrackerRelay, monkeypatch: pytest.MonkeyPatch, tracker: str, port: int
) -> None:
    dialled: list[tuple[str, int]] = []

    def dial(_: Guard, address: tuple[str, int], *__: object) -> socket.socket:
        dialled.append(address)
        raise OSError("no network")

    monkeypatch.setattr(Guard, "dial", dial)
    assert announce(relay, tracker) == 502
    assert dialled == [("2606:4700::1111", port)]


def test_a_tracker_without_a_path_is_asked_at_the_root(
    relay: TrackerRelay, monkeypatch: pytest.MonkeyPatch, server: WebServer
) -> None:
    server.replies["/"] = ANSWER
    monkeypatch.setattr(Guard, "owns", lambda *_: True)  # only public ones are asked there
    assert announce(relay, server.url) == 200
    assert server.targets == ["/?info_hash=%ab&event=started"]


@pytest.mark.parametrize(("times", "status"), [(5, 200), (6, 502)])
def test_a_tracker_redirects_five_times_at_most(
    relay: TrackerRelay,
    monkeypatch: pytest.MonkeyPatch,
    server: WebServer,
    times: int,
    status: int,
) -> None:
    monkeypatch.setattr(Guard, "owns", lambda *_: True)  # only public ones are asked there
    paths = ["/announce", *(f"/announce/{number}" for number in range(times))]
    for path, following in itertools.pairwise(paths):
        server.replies[path] = Reply(status=302, headers={"Location": following})
    server.replies[paths[-1]] = ANSWER
    assert announce(relay, f"{server.url}/announce") == status
    assert server.paths() == paths[:6]


@pytest.mark.parametrize(("size", "status"), [(1 << 20, 200), ((1 << 20) + 1, 502)])
def test_an_answer_has_a_largest_size(
    relay: TrackerRelay, server: WebServer, size: int, status: int
) -> None:
    server.replies["/announce"] = Reply(bytes(size))
    assert announce(relay, f"{server.url}/announce") == status
