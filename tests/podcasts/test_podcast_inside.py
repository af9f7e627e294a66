"""Podcasts that lead to the inside: to the user's own machine, network or cloud."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from helpers.fake_internet import METADATA, PUBLIC, ROUTER, Internet, internet
from helpers.network_namespaces import Host, ip
from helpers.podcast_feeds import item, problem, rss, titles
from helpers.web_server import Reply, WebServer
from memocast.errors import MemocastError, Refused
from memocast.network.public_connection import Guard
from memocast.podcasts import http_get
from memocast.podcasts.source import look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

INSIDE = "is an address of your own machine or network"


class World:
    """The Internet, a web server on it, and servers at addresses inside."""

    def __init__(self, net: Internet, closing: contextlib.ExitStack) -> None:
        self.names = net.names.names
        self.looked_up = net.names.asked
        self.run = net.run
        with net.host.entered():
            found = [WebServer(host, 80) for host in (PUBLIC, METADATA, ROUTER, "127.0.0.1")]
        self.public, self.metadata, self.router, self.own = map(closing.enter_context, found)
        self.names |= {"show.example": [PUBLIC], "nas.lan": [ROUTER]}

    def inside(self) -> list[str]:
        """What servers inside were asked."""
        return [*self.metadata.paths(), *self.router.paths(), *self.own.paths()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The Internet, and what is inside."""
    with internet(tmp_path) as net, contextlib.ExitStack() as closing:
        yield World(net, closing)


SPELLINGS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.1.",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::a00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "169.254.169.254",
    "2852039166",
    "10.0.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST.",
    "%6c%6f%63alhost",
    "１２７.0.0.1",
    "ⓛocalhost",
)


@pytest.fixture
def alone() -> Iterator[WebServer]:
    """A web server on a machine without a network, on which this thread is."""
    host = Host("127.0.0.1")
    with contextlib.closing(host), host.entered():
        ip("link", "set", "lo", "up")
        with WebServer() as server:
            yield server


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_an_address_inside_is_asked(
    alone: WebServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = alone.url.rpartition(":")[2]
    with pytest.raises(Refused, match=INSIDE):
        http_get.get(f"http://{host}:{port}/", io.BytesIO(), 1, 5, guard=Guard())
    assert alone.asked == []
    # With a proxy, which would look the name up.
    monkeypatch.setenv("http_proxy", alone.url)
    with pytest.raises(Refused, match=INSIDE):
        http_get.get(f"http://{host}:1/", io.BytesIO(), 1, 5, guard=Guard())
    monkeypatch.setenv("https_proxy", alone.url)
    with pytest.raises(Refused, match=INSIDE):
        http_get.get(f"https://{host}:1/", io.BytesIO(), 1, 5, guard=Guard())
    assert alone.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1@8.8.8.8", "8.8.8.8@127.0.0.1", "127.0.0.1%00.example"])
def test_no_trick_in_an_address_leads_inside(alone: WebServer, host: str) -> None:
    with pytest.raises(MemocastError):
        http_get.get(f"http://{host}:{alone.url[17:]}/", io.BytesIO(), 1, 2, guard=Guard())
    assert alone.asked == []


@pytest.fixture
def evil(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[str], WebServer, WebServer]]:
    """The addresses of `evil.example`, each for a look-up, and servers: a public one, one inside.

    Every address leads back to that name.
    """
    host = Host("127.0.0.1")
    addresses: list[str] = []

    real = socket.getaddrinfo

    def look_up(name: str, port: int | None, *rest: Any, **more: Any) -> Any:
        is_name = name == "evil.example" and not more.get("flags")
        return real(addresses.pop(0) if is_name else name, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with contextlib.closing(host), host.entered():
        ip("link", "set", "lo", "up")
        ip("address", "add", f"{PUBLIC}/32", "dev", "lo")
        with WebServer(PUBLIC, 80) as public, WebServer("127.0.0.1", 6379) as inside:
            back = Reply(status=302, headers={"Location": "http://evil.example:6379/any?path"})
            public.replies["/feed"] = inside.replies["/feed"] = back
            inside.replies["/any"] = Reply(rss(item(1, "1.opus")))
            yield addresses, public, inside


def test_a_name_that_was_public_does_not_lead_inside_later_in_the_first_look(
    evil: tuple[list[str], WebServer, WebServer],
) -> None:
    addresses, public, inside = evil
    addresses += [PUBLIC, "127.0.0.1"]
    with pytest.raises(Refused, match=f"evil.example {INSIDE}"):
        look("http://evil.example/feed", "", 5)
    assert public.paths() == ["/feed"]
    assert inside.asked == []


def test_a_host_that_was_inside_first_may_be_asked_there_again(
    evil: tuple[list[str], WebServer, WebServer],
) -> None:
    addresses, _, inside = evil
    addresses += ["127.0.0.1", "127.0.0.1"]
    _, state = look("http://evil.example:6379/feed", "", 5)
    assert inside.paths() == ["/feed", "/any"]
    assert json.loads(state)["inside"] is True


def test_what_a_proxy_was_asked_for_is_not_dialled_inside_later(
    evil: tuple[list[str], WebServer, WebServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses, public, inside = evil
    addresses += ["127.0.0.1"]
    monkeypatch.setenv("https_proxy", "")
    monkeypatch.setenv("http_proxy", public.url)
    to_tls = Reply(status=302, headers={"Location": "https://evil.example:6379/any"})
    public.replies["/feed"] = to_tls
    with pytest.raises(Refused, match=f"evil.example {INSIDE}"):
        look("http://evil.example/feed", "", 5)
    assert inside.asked == []


@pytest.mark.parametrize("is_direct", [True, False], ids=["to a server", "by the proxy again"])
def test_a_proxys_password_is_told_to_the_proxy_only(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, *, is_direct: bool
) -> None:
    with WebServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//ann:secret@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1" if is_direct else "")
        proxy.replies["/a"] = Reply(status=302, headers={"Location": f"{server.url}/b"})
        server.replies["/b"] = proxy.replies["/b"] = Reply(b"x")
        guard = Guard("127.0.0.1", is_inside=True)
        http_get.get("http://a.example/a", content := io.BytesIO(), 1, 5, guard=guard)
        assert content.getvalue() == b"x"
        told = [(path, "Proxy-Authorization" in headers) for path, headers in proxy.asked]
        assert told == [("/a", True)] + [("/b", True)] * (not is_direct)
        assert "secret" not in repr(proxy.targets)
    assert server.paths() == (["/b"] if is_direct else [])
    assert not any("authorization" in name.lower() for _, asked in server.asked for name in asked)


def test_a_public_feed_leads_nowhere_inside(ben: Memocast, world: World, opus: Path) -> None:
    world.names |= {
        "meta.example": [METADATA],
        "six.example": ["::1"],
        "all.example": [f"{METADATA} {ROUTER}"],
        "mixed.example": [f"127.0.0.1 {PUBLIC}"],
    }
    found: list[tuple[str, Reply]] = [
        (f"http://{METADATA}/latest/meta-data", Reply()),
        ("http://meta.example/latest", Reply()),
        ("http://six.example/", Reply()),
        ("https://all.example/", Reply()),
        ("http://2130706433/x.torrent", Reply()),
        ("/to-router", Reply(status=302, headers={"Location": f"http://{ROUTER}/reboot"})),
        ("/to-name", Reply(status=307, headers={"Location": "//meta.example/a"})),
        ("/twice", Reply(status=301, headers={"Location": "/to-router"})),
        ("/a.torrent", Reply(status=303, headers={"Location": "http://nas.lan/b.torrent"})),
        ("http://mixed.example/good.opus", Reply()),
    ]
    world.public.replies |= {path: reply for path, reply in found if path.startswith("/")}
    world.public.replies["/good.opus"] = Reply(opus.read_bytes())
    world.public.replies["/feed"] = Reply(
        rss(*(item(number, address) for number, (address, _) in enumerate(found, 1)))
    )
    world.run(ben, "follow", "http://show.example/feed")
    synced = world.run(ben, "sync", "--timeout", "5s", expect=7)
    assert titles(ben) == ["Episode 10"], synced.err
    assert synced.err.count(INSIDE) == len(found) - 1, synced.err
    assert f"'Episode 6': {ROUTER} {INSIDE}" in synced.err
    assert "hint: nothing was requested there" in synced.err
    assert "reboot" not in synced.err
    assert world.inside() == []


def test_a_feed_that_was_public_cannot_turn_inside(ben: Memocast, world: World, opus: Path) -> None:
    world.public.replies |= {
        "/feed": Reply(rss(item(1, "1.opus")), headers={"ETag": '"a"'}),
        "/1.opus": Reply(opus.read_bytes()),
    }
    # Each answer of the name server is given once: the address checked must be the one dialled.
    world.names["rebind.example"] = [PUBLIC, ROUTER, PUBLIC, METADATA, "127.0.0.1"]
    world.run(ben, "follow", "http://rebind.example/feed")
    assert world.looked_up.count("rebind.example") == 1
    synced = world.run(ben, "sync", "--timeout", "5s", expect=7)  # the feed inside, audio public
    assert f"rebind.example {INSIDE}" in synced.err
    assert titles(ben) == ["Episode 1"]
    assert "rebind.example" in (problem(ben) or "")
    world.run(ben, "sync", expect=7)
    assert ben.run("following", "--json").json[0]["items"] == 1
    assert world.inside() == []
    world.names["rebind.example"] = [PUBLIC]
    world.run(ben, "sync")
    assert problem(ben) is None


def test_a_host_with_public_addresses_is_asked_at_those_only(ben: Memocast, world: World) -> None:
    # Nobody listens at the public address; a page of the router's is at the other.
    world.names["evil.example"] = [f"{ROUTER} {PUBLIC}"]
    world.public.stop()
    followed = world.run(ben, "follow", "http://evil.example/reboot", expect=6)
    assert "evil.example does not answer: Connection refused" in followed.err
    assert world.inside() == []


def test_a_feed_that_is_inside_uses_its_own_host_and_what_is_public(
    ben: Memocast, world: World, opus: Path
) -> None:
    world.names["other.lan"] = ["127.0.0.1"]
    world.router.replies |= {
        "/feed": Reply(status=302, headers={"Location": "/real"}),
        "/real": Reply(
            rss(
                item(1, "http://nas.lan/1.opus"),
                item(2, "http://show.example/2.opus"),
                item(3, "http://other.lan/3.opus"),
                item(4, "http://NAS.LAN./4.opus"),
                item(5, f"http://{METADATA}/5.opus"),
            )
        ),
        "/4.opus": Reply(status=302, headers={"Location": "http://show.example/2.opus"}),
        "/1.opus": Reply(opus.read_bytes()),
    }
    world.public.replies |= {"/2.opus": Reply(opus.read_bytes())}
    world.run(ben, "follow", "http://nas.lan/feed")
    synced = world.run(ben, "sync", "--timeout", "5s", expect=7)
    assert titles(ben) == ["Episode 1", "Episode 2", "Episode 4"]
    assert f"'Episode 3': other.lan {INSIDE}" in synced.err
    assert world.own.asked == world.metadata.asked == []


def test_a_podcast_of_an_older_memocast_is_decided_on_at_the_next_look(
    ben: Memocast, world: World, opus: Path
) -> None:
    world.router.replies |= {
        "/feed": Reply(rss(item(1, "1.opus")), headers={"ETag": '"a"'}),
        "/1.opus": Reply(opus.read_bytes()),
    }
    world.run(ben, "follow", "http://nas.lan/feed")
    database = sqlite3.connect(ben.library / "library.db")
    with database:
        (state,) = database.execute("SELECT state FROM channel").fetchone()
        facts = json.loads(state)
        assert facts.pop("inside") is True
        database.execute("UPDATE channel SET state = ?", (json.dumps(facts),))
    world.run(ben, "sync")
    (state,) = database.execute("SELECT state FROM channel").fetchone()
    database.close()
    assert titles(ben) == ["Episode 1"]
    assert json.loads(state)["inside"] is True


def test_a_host_in_other_letters_is_asked_by_its_ascii_name(
    ben: Memocast, world: World, opus: Path
) -> None:
    world.names |= {"xn--bcher-kva.example": [PUBLIC], "xn--mnchen-3ya.example": [PUBLIC]}
    world.public.replies |= {
        "/feed": Reply(rss(item(1, "http://MÜNCHEN.example/1.opus"), item(2, "/moved"))),
        "/1.opus": Reply(opus.read_bytes()),
        "/moved": Reply(status=302, headers={"Location": "http://m%C3%BCnchen.example/1.opus"}),
    }
    world.run(ben, "follow", "http://bücher.example/feed")
    world.run(ben, "sync", "--timeout", "5s")
    assert titles(ben) == ["Episode 1", "Episode 2"]
    asked = [headers["Host"] for _, headers in world.public.asked]
    assert set(asked) == {"xn--bcher-kva.example", "xn--mnchen-3ya.example"}


def test_a_feed_in_a_file_leads_nowhere_inside(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies["/1.opus"] = Reply(opus.read_bytes())
    feed = ben.home / "feed.xml"
    feed.write_bytes(rss(item(1, f"{server.url}/1.opus"), item(2, f"{server.url}/a.torrent")))
    ben.run("follow", str(feed))
    synced = ben.run("sync", expect=7)
    assert synced.err.count(f"127.0.0.1 {INSIDE}") == 2
    assert server.asked == []


def test_a_proxy_is_asked_for_names_and_not_for_addresses_inside(
    ben: Memocast, world: World, opus: Path
) -> None:
    feed = rss(item(1, "1.opus"), item(2, "http://localhost/x"), item(3, f"http://{ROUTER}/x"))
    # A proxy gets the whole address; its path is what the server goes by.
    world.own.replies |= {"/feed": Reply(feed), "/1.opus": Reply(opus.read_bytes())}
    ben.environment["http_proxy"] = "http://127.0.0.1:80"
    world.run(ben, "follow", "http://unknown.example/feed")
    synced = world.run(ben, "sync", "--timeout", "5s", expect=7)
    assert titles(ben) == ["Episode 1"]
    assert f"'Episode 2': localhost {INSIDE}" in synced.err
    assert f"'Episode 3': {ROUTER} {INSIDE}" in synced.err
    assert set(world.own.paths()) == {"/feed", "/1.opus"}
    assert {headers["Host"] for _, headers in world.own.asked} == {"unknown.example"}
    assert world.looked_up == []
