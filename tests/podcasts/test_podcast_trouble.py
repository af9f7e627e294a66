"""Podcasts whose servers and feeds are slow, broken or mean ill."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from helpers.podcast_feeds import item, problem, rss, titles
from helpers.waiting import wait_for
from helpers.web_server import Reply, WebServer
from memocast.errors import Refused, SwarmTimeout
from memocast.podcasts import earlier_feed, http_get, parser_process
from memocast.podcasts.parser import parse
from memocast.podcasts.watched_connection import Watch
from memocast.processes import limited_process

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_limits_hold_whatever_a_server_announces(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        while not server.ended.is_set():
            request.wfile.write(bytes(1 << 16))

    server.replies |= {
        "/feed": Reply(rss(item(2, "endless"), item(1, "large"))),
        "/endless": Reply(send=endless),
        "/large": Reply(bytes(300_000)),
    }
    ben.run("follow", f"{server.url}/feed", "--max-size", "200kB")
    synced = ben.run("sync", expect=7)
    assert synced.out == ""
    assert "error: 'Episode 2': 127.0.0.1 sends more than the limit of 200,000" in synced.err
    assert "hint: allow it: memocast follow --max-size BYTES" in synced.err
    assert "error: 'Episode 1': 127.0.0.1 sends 300,000 bytes, more than the limit" in synced.err
    assert [path.name for path in (ben.library / "incoming").iterdir()] == [".gate"]


NO_FEEDS = [
    (Reply(b"<!doctype html><title>x</title>"), 7, "that is not a feed"),
    (Reply(b"<html><body/></html>"), 7, "that is not a feed"),
    (Reply(b""), 7, "that is not a feed"),
    (Reply(status=404), 1, "127.0.0.1 answered: 404 Not Found"),
    (Reply(status=302, headers={"Location": "/feed"}), 7, "redirects in a loop"),
    (Reply(status=302, headers={"Location": "file:///etc/passwd"}), 7, "does not fetch"),
    (Reply(status=302, headers={"Location": "ftp://127.0.0.1/"}), 7, "does not fetch"),
    (Reply(status=302, headers={"Location": "http://[1"}), 7, "does not fetch"),
    (Reply(status=301, headers={"Location": "//h%ff/feed"}), 7, "does not fetch"),
    (Reply(status=307, headers={"Location": "http://h\xff\xfe/"}), 7, "does not fetch"),
    (Reply(status=302, headers={"Location": "http://127.0.0.1:x/"}), 7, "does not fetch"),
    (Reply(bytes(17 << 20)), 7, "more than the limit of 16,777,216 bytes"),
    (Reply(b"<a>" * 200), 7, "nested too deeply"),
    (Reply(b"short", headers={"Content-Length": "9"}), 6, "stopped at 5 of 9 bytes"),
]


def test_what_is_no_feed_is_not_followed(ben: Memocast, server: WebServer) -> None:
    for reply, code, said in NO_FEEDS:
        server.replies["/feed"] = reply
        refused = ben.run("follow", f"{server.url}/feed", expect=code)
        assert refused.out == ""
        assert said in refused.err
    assert ben.run("following").out == ""


def test_entities_that_unfold_to_gigabytes_are_refused_in_any_encoding(
    ben: Memocast, server: WebServer
) -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = (
        f'<?xml version="1.0" encoding="%s"?><!DOCTYPE rss [<!ENTITY l0 "lol">{laughs}]>'
        '<rss version="2.0"><channel><title>&l9;</title></channel></rss>'
    )
    for encoding in ("utf-16", "utf-7"):
        with pytest.raises(Refused, match="the feed defines XML entities"):
            parse((bomb % encoding).encode(encoding), "")
    server.replies["/feed"] = Reply((bomb % "utf-8").encode())
    refused = ben.run("follow", f"{server.url}/feed", expect=7)
    assert refused.out == ""
    assert "the feed defines XML entities" in refused.err


def test_what_is_known_of_a_podcast_stays_when_its_feed_breaks(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {"/feed": Reply(rss(item(1, "1.opus")))}
    ben.run("follow", f"{server.url}/feed")
    server.replies |= {"/feed": Reply(b"<html/>"), "/1.opus": Reply(opus.read_bytes())}
    synced = ben.run("sync", expect=7)
    assert titles(ben) == ["Episode 1"]
    assert "error: that is not a feed" in synced.err
    assert problem(ben) == "that is not a feed"
    server.replies["/feed"] = Reply(rss(item(1, "1.opus")))
    ben.run("sync")
    assert problem(ben) is None


def test_an_episode_that_is_no_audio_is_told_and_the_others_come(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {
        "/feed": Reply(rss(item(2, "2.opus"), item(1, "1.opus"))),
        "/2.opus": Reply(b"<html>please pay</html>"),
        "/1.opus": Reply(opus.read_bytes()),
    }
    ben.run("follow", f"{server.url}/feed")
    synced = ben.run("sync", expect=7)
    assert "error: 'Episode 2': audio is not audio that memocast knows" in synced.err
    assert titles(ben) == ["Episode 1"]


def test_addresses_that_memocast_does_not_go_to(ben: Memocast) -> None:
    for address in (
        *("ftp://127.0.0.1/feed", "file:///etc/passwd", "https://", "http://[::1/feed"),
        *("http://127.0.0.1/\udcff", "http://\udcff/", "http://h%2fx/", "http://h^x:/"),
        f"http://{'x' * 64}.example/",
    ):
        refused = ben.run("follow", address, expect=5)
        assert "is not a web address" in refused.err
    refused = ben.run("follow", "https://ben:secret@127.0.0.1/feed", expect=5)
    assert "contains a user name or password" in refused.err
    assert "secret" not in refused.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = ben.run("follow", f"http://127.0.0.1:{port}/feed", expect=6)
    assert "127.0.0.1 does not answer: Connection refused" in refused.err
    feed = ben.home / "feed.xml"
    feed.write_bytes(rss(item(1, "file:///etc/passwd"), item(2, "../library/library.db")))
    followed = ben.run("follow", str(feed))
    assert "its feed contains no audio yet" in followed.err


BROKEN = {
    "an encoding of bytes that are no text": b'<?xml version="1.0" encoding="\xd8\xff"?><rss/>',
    "an entry in a link": b'<feed xmlns="http://www.w3.org/2005/Atom">'
    b'<entry><link type="x"><entry/></link></entry></feed>',
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_feed_on_which_a_parser_trips_is_called_broken(what: str) -> None:
    with pytest.raises(Refused, match="that is not a feed, or a broken one"):
        parser_process.read(BROKEN[what], "")


INTEGRITY = (
    '<podcast:alternateEnclosure><podcast:integrity value="x"/></podcast:alternateEnclosure>'
)
MARK = '<podcast:txt purpose="memocast-channel">mine</podcast:txt>'


@pytest.mark.parametrize("address", ["http://[1", "http://[v]/2", "//\u2100/"])
def test_a_feed_with_an_address_that_we_never_write_is_not_ours(address: str) -> None:
    feed = rss(MARK, item(2, address, INTEGRITY), item(1, "1.opus", INTEGRITY))
    assert earlier_feed.answer(b"mine", io.BytesIO(feed)) is None


GOOD_ITEM = {
    **dict.fromkeys(("id", "title", "text", "link", "mime", "audio"), "x"),
    **dict.fromkeys(("size", "duration", "published"), 1),
}
EVIL_FEEDS: list[object] = [
    *(None, 7, [], {}, {"title": 7, "items": []}, {"title": "", "items": {}}),
    {"title": "x" * 10_000, "items": []},
    {"title": "", "items": [7]},
    {"title": "", "items": [GOOD_ITEM] * 1_001},
    *(
        {"title": "", "items": [{**GOOD_ITEM, name: value}]}
        for name in GOOD_ITEM
        for value in (None, True, [], -1, 1.5, 10**400, float("nan"), "\ud800", "x" * 20_000)
    ),
]


@pytest.mark.parametrize("said", EVIL_FEEDS, ids=range(len(EVIL_FEEDS)))
def test_what_a_parser_that_was_taken_over_says_is_refused(
    monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    monkeypatch.setattr(limited_process, "run", lambda *_, **__: said)
    with pytest.raises(Refused, match="too long or too much memory"):
        parser_process.read(b"", "")


def test_the_words_of_such_a_parser_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[object] = ["x" * 10**6, 7, None]
    for word in words:
        said = {"refused": word, "hint": word}
        monkeypatch.setattr(limited_process, "run", lambda *_, said=said, **__: said)
        with pytest.raises(Refused) as refused:
            parser_process.read(b"", "")
        assert len(refused.value.message + refused.value.hint) <= 2_000


@pytest.mark.parametrize(
    "said",
    [7, [], {"1": 7}, {"1": ["a"]}, {"1": ["a", 7]}, {"1": {"a": "b"}}, {"1": "ab"}]
    + [{"1": [name, "x"]} for name in ("", ".", "..", "../a", "a/b", "\0", "\ud800")],
)
def test_an_earlier_feed_names_files_of_its_own_folder_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: object
) -> None:
    path = tmp_path / "feed.xml"
    path.touch()
    monkeypatch.setattr(limited_process, "run", lambda *_, **__: said)
    assert earlier_feed.entries(path, "mine") is None


@pytest.mark.parametrize("encoding", ["x-nothing", "utf-7", "idna"])
def test_an_earlier_feed_in_an_unknown_encoding_is_another_one(encoding: str) -> None:
    content = rss(MARK).replace(b'"1.0"', f'"1.0" encoding="{encoding}"'.encode())
    assert earlier_feed.answer(b"mine", io.BytesIO(content)) is None


def test_a_server_that_trickles_is_given_up(server: WebServer) -> None:
    def trickle(request: BaseHTTPRequestHandler) -> None:
        while not server.ended.wait(0.05):
            request.wfile.write(b"x")

    server.replies["/body"] = Reply(send=trickle)
    with pytest.raises(SwarmTimeout, match=r"127.0.0.1 is too slow: [0-9]+ bytes so far"):
        http_get.get(f"{server.url}/body", io.BytesIO(), 1 << 20, 0.5)


def test_the_body_of_a_redirect_is_not_read(server: WebServer) -> None:
    sent: list[bool] = []

    def large(request: BaseHTTPRequestHandler) -> None:
        sent.append(False)
        for _ in range(64):
            request.wfile.write(bytes(1 << 20))
        sent.append(True)

    server.replies["/moved"] = Reply(status=302, headers={"Location": "/feed"}, send=large)
    server.replies["/feed"] = Reply(b"a feed")
    target = io.BytesIO()
    http_get.get(f"{server.url}/moved", target, 100, 5)
    assert target.getvalue() == b"a feed"
    assert sent == [False]


def test_a_connection_that_is_made_when_the_time_is_over_is_given_up() -> None:
    watch = Watch(0.01)
    wait_for("the end of the time", lambda: watch.is_over)
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        watch.begin(here)
    watch.end()


def test_a_server_that_trickles_its_header_is_given_up() -> None:
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.send(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                connection.send(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(SwarmTimeout, match="is too slow"):
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                http_get.get(url, io.BytesIO(), 1 << 20, 0.5)
        finally:
            over.set()
            thread.join()


def test_what_a_server_says_instead_of_http_is_cut() -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"SSH-2.0 " + b"x" * 60_000 + b"\r\n\r\n")
            connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(SwarmTimeout, match=r"incomplete answer.*: SSH-2.0 x") as refused:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
                http_get.get(url, io.BytesIO(), 1 << 20, 5)
        finally:
            thread.join()
    assert len(refused.value.message) < 120


def test_a_document_that_a_parser_sits_over_for_hours_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parser_process, "SECONDS", 1)
    assert parser_process.read(rss(item(1, "1.mp3")), "http://h.example/").title == "A show"
    with pytest.raises(Refused, match="takes too long or too much memory"):
        parser_process.read(b" \n" * 200_000 + b"<rss version='2.0'><channel/></rss>", "")
