"""Trackers in links and feeds that lead to the inside: to the user's own machine or network."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from helpers.fake_internet import METADATA, PUBLIC, ROUTER, Internet, internet
from helpers.full_or_short import scaled
from helpers.podcast_feeds import item, rss
from helpers.trackers import HttpTracker, UdpTracker
from helpers.waiting import wait_for
from helpers.web_server import Reply, WebServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

LOOPBACK = "127.0.0.1"
ANSWER = Reply(b"d8:intervali1800e5:peers0:e")


def magnet(*trackers: str, peers: tuple[str, ...] = ()) -> str:
    """A link to what nobody has."""
    fields = [f"tr={quote(url, safe='')}" for url in trackers] + [f"x.pe={peer}" for peer in peers]
    return f"magnet:?xt=urn:btih:{'ab' * 20}&" + "&".join(fields)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Internet]:
    with internet(tmp_path) as made:
        yield made


@pytest.fixture
def servers(world: Internet) -> Iterator[dict[str, WebServer]]:
    """A web server at each address."""
    with contextlib.ExitStack() as closing:
        with world.host.entered():
            made = {host: WebServer(host, 80) for host in (PUBLIC, METADATA, ROUTER, LOOPBACK)}
        yield {host: closing.enter_context(server) for host, server in made.items()}


def test_a_links_trackers_cannot_choose_a_request_inside(
    ben: Memocast, world: Internet, servers: dict[str, WebServer]
) -> None:
    world.names.names |= {
        "show.example": [PUBLIC],
        "meta.example": [METADATA],
        "rebind.example": [PUBLIC, METADATA],
    }
    to_router = Reply(status=302, headers={"Location": f"http://{ROUTER}/reboot?now=1"})
    to_announce = Reply(status=307, headers={"Location": f"http://{LOOPBACK}/announce?x=1"})
    servers[PUBLIC].replies |= {
        "/announce": to_router,
        "/b/announce": to_announce,
        "/key/announce": ANSWER,
        "/moved": Reply(status=301, headers={"Location": "http://show.example/new?a=1"}),
        "/new": ANSWER,
        "/latest": ANSWER,
    }
    servers[ROUTER].replies["/announce"] = ANSWER
    http = [
        f"http://{PUBLIC}/announce",
        f"http://{PUBLIC}/b/announce",
        "http://show.example/key/announce?passkey=7",
        "http://show.example/moved",
        "http://meta.example/latest/meta-data?x=1",
        "http://rebind.example/latest",
        f"http://{METADATA}/latest/meta-data",
        f"http://{LOOPBACK}/admin?x=1",
        f"http://{LOOPBACK}/announce/../admin",
        f"http://{LOOPBACK}/announce?x=2",
        f"http://{LOOPBACK}/announce/",
        "http://2130706433/admin",
        "http://[::ffff:127.0.0.1]/admin",
        f"http://{LOOPBACK}\\@{PUBLIC}/announce",
        f"https://{LOOPBACK}:80/admin",
        f"http://{ROUTER}/announce",
    ]
    web = [
        f"ws://{LOOPBACK}/admin?x=1",
        f"ws://{ROUTER}/announce?x=1",
        f"ws://{METADATA}/latest",
        "ws://meta.example/latest",
        "ws://rebind.example/latest",
        "wss://meta.example:80/latest",
        f"ws://{PUBLIC}/key?passkey=7",
        f"ws://{PUBLIC}/@{ROUTER}/x",
        f"ws://{ROUTER}/announce",
    ]
    searched = world.run(ben, "fetch", magnet(*http, *web), "--timeout", "4s", expect=6)
    asked = {host: server.targets for host, server in servers.items()}
    assert asked[METADATA] == asked[LOOPBACK] == [], searched.err
    # What a tracker in a local network has, and nothing that the link chose.
    router = asked[ROUTER]
    assert {target.partition("&")[0] for target in router} == {
        "/announce",  # a WebSocket's
        "/announce?info_hash=%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab%ab",
    }, router
    # What is public is asked as it says.
    public = {target.partition("&info_hash")[0].partition("?info")[0] for target in asked[PUBLIC]}
    assert public == {
        "/announce",
        "/b/announce",
        "/key/announce?passkey=7",
        "/moved",
        "/new?a=1",
        "/latest",
        "/key?passkey=7",
    }
    assert f"http://{PUBLIC}/announce (failed: {ROUTER} is an address of your own" in searched.err
    assert "http://show.example/key/announce?passkey=7 (answered, 0 peers)" in searched.err


def test_a_public_podcast_names_no_trackers_and_peers_inside(
    ben: Memocast, world: Internet, servers: dict[str, WebServer]
) -> None:
    world.names.names["show.example"] = [PUBLIC]
    link = magnet(
        f"http://{ROUTER}/announce",
        f"udp://{ROUTER}:80/announce",
        f"ws://{ROUTER}",
        f"http://{PUBLIC}/announce",
        peers=(f"{ROUTER}:7777", f"{LOOPBACK}:7778"),
    )
    feed = rss(item(1, link).replace("audio/ogg", "application/x-bittorrent"))
    servers[PUBLIC].replies |= {"/feed": Reply(feed), "/announce": ANSWER}
    world.run(ben, "follow", "http://show.example/feed")
    with world.host.entered():
        peers = [socket.create_server((ROUTER, 7777)), socket.create_server((LOOPBACK, 7778))]
    with peers[0], peers[1]:
        world.run(ben, "sync", "--timeout", "4s", expect=6)
        for peer in peers:
            peer.setblocking(False)
            with pytest.raises(BlockingIOError):
                peer.accept()
    assert servers[ROUTER].targets == []
    assert any(target.startswith("/announce") for target in servers[PUBLIC].targets)


@pytest.fixture
def udp(world: Internet) -> Iterator[dict[str, UdpTracker]]:
    """A UDP tracker at PUBLIC and one at ROUTER, at the same port."""
    with world.host.entered():
        public = UdpTracker(PUBLIC)
        router = UdpTracker(ROUTER, port_of(public))
    with public, router:
        yield {PUBLIC: public, ROUTER: router}


def port_of(tracker: UdpTracker) -> int:
    return urlsplit(tracker.url).port or 0


def named_trackers(world: Internet, port: int) -> list[str]:
    """Trackers by names: those of `evil` and the second answer of `rebind` lead inside."""
    world.names.names |= {
        "show.example": [PUBLIC],
        "evil.example": [ROUTER],
        "mixed.example": [f"{ROUTER} {PUBLIC}"],
        "rebind.example": [PUBLIC, ROUTER],
        "rebind2.example": [PUBLIC, ROUTER],
        "rebind3.example": [PUBLIC, ROUTER],
    }
    return [
        "http://evil.example/announce",
        "http://mixed.example/announce",
        "https://evil.example:80/announce",
        f"udp://evil.example:{port}/announce",
        f"udp://mixed.example:{port}/announce",
        f"udp://rebind.example:{port}",
        f"udp://evil.example\\@{PUBLIC}:{port}",
        "ws://evil.example/",
        "ws://rebind2.example/key?passkey=7",
        "ws://rebind3.example",
        "wss://evil.example:80/",
        "wss://mixed.example:80/x",
    ]


def test_a_public_podcast_names_no_trackers_that_lead_inside(
    ben: Memocast, world: Internet, servers: dict[str, WebServer], udp: dict[str, UdpTracker]
) -> None:
    trackers = named_trackers(world, port_of(udp[PUBLIC]))
    feed = rss(item(1, magnet(*trackers)).replace("audio/ogg", "application/x-bittorrent"))
    servers[PUBLIC].replies |= {"/feed": Reply(feed), "/announce": ANSWER}
    world.run(ben, "follow", "http://show.example/feed")
    synced = world.run(ben, "sync", "--timeout", "4s", expect=6)
    assert servers[ROUTER].targets == [], synced.err
    assert udp[ROUTER].asked == 0
    # What is public is asked, by name too.
    assert udp[PUBLIC].asked
    paths = {target.partition("?info")[0] for target in servers[PUBLIC].targets}
    assert paths == {"/feed", "/announce", "/key?passkey=7", "/"}
    assert "http://evil.example/announce (failed: evil.example is an address of your own" in (
        synced.err
    )
    assert f"udp://mixed.example:{port_of(udp[PUBLIC])}/announce (answered" in synced.err


def test_what_came_from_a_public_podcast_is_not_announced_inside_later(
    memocast: Callable[..., Memocast],
    opus: Path,
    world: Internet,
    servers: dict[str, WebServer],
    udp: dict[str, UdpTracker],
) -> None:
    anna, ben = (memocast(name, MEMOCAST_LISTEN=f"{PUBLIC}:0") for name in ("anna", "ben"))
    anna.host = ben.host = world.host
    try:
        link = anna.run("share", anna.add(opus), "--direct").out.strip()
        trackers = named_trackers(world, port_of(udp[PUBLIC]))
        link += "".join(f"&tr={quote(url, safe='')}" for url in trackers)
        feed = rss(item(1, link).replace("audio/ogg", "application/x-bittorrent"))
        servers[PUBLIC].replies |= {"/feed": Reply(feed), "/announce": ANSWER}
        world.run(ben, "follow", "http://show.example/feed")
        world.run(ben, "sync")
        world.names.names["rebind.example"] = [PUBLIC, ROUTER]
        world.run(ben, "seed", "--background")
        evil, mixed = trackers[0], trackers[4]

        def has_announced() -> bool:
            said = (ben.seeder() or {"reach": {"trackers": {}}})["reach"]["trackers"]
            return "your own machine or network" in said.get(evil, "") and said.get(mixed) == "ok"

        wait_for("an announce to each tracker", has_announced)
        assert servers[ROUTER].targets == []
        assert udp[ROUTER].asked == 0
    finally:
        for user in (anna, ben):
            user.stop()
            user.host = None  # which is gone before the users are


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.1"][: scaled(3, 1)])
def test_a_tracker_of_a_friends_lan_is_asked(
    memocast: Callable[..., Memocast], opus: Path, address: str
) -> None:
    with HttpTracker() as tracker:
        url = tracker.url.replace("127.0.0.1", address)
        anna = memocast("anna", MEMOCAST_TRACKERS=url)
        ben = memocast("ben")
        link = anna.run("share", anna.add(opus)).out.strip()
        info_hash = link.partition("btih:")[2][:40]
        wait_for("Anna's announce", lambda: tracker.announced(info_hash))
        assert "x.pe" not in link
        others = tracker.announced(info_hash)
        ben.run("fetch", link)
        ben.run("seed", "--background")
        wait_for("Ben's announce", lambda: tracker.announced(info_hash) - others)
        wait_for("his report", lambda: ben.seeder()["reach"]["trackers"] == {url: "ok"})
        ben.stop()


def test_an_answer_through_the_relay_is_as_bounded_as_any(
    ben: Memocast, world: Internet, servers: dict[str, WebServer]
) -> None:
    loop = Reply(status=302, headers={"Location": f"http://{PUBLIC}/loop"})
    servers[PUBLIC].replies |= {
        "/loop": loop,
        "/large": Reply(bytes(2 << 20)),
        "/file": Reply(status=302, headers={"Location": "file:///etc/passwd"}),
        "/user": Reply(status=302, headers={"Location": f"http://a:b@{PUBLIC}/x"}),
        "/error": Reply(status=403),
    }
    trackers = [f"http://{PUBLIC}{path}" for path in servers[PUBLIC].replies]
    searched = world.run(ben, "fetch", magnet(*trackers), "--timeout", "2s", expect=6)
    for said in (
        "/loop (failed: it redirects in a loop)",
        "/large (failed: its answer is too large)",
        "/file (failed: it is at an address that memocast does not ask)",
        "/user (failed: it is at an address that memocast does not ask)",
        "/error (failed: Forbidden)",
    ):
        assert f"{PUBLIC}{said}" in searched.err, searched.err
    assert sum(target.startswith("/loop") for target in servers[PUBLIC].targets) == 6
