"""What a person sees of feeds that take long to read, in a real terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.podcast_feeds import item, rss
from helpers.processes import running
from helpers.terminal import ID, Terminal
from helpers.waiting import wait_for
from helpers.web_server import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.web_server import WebServer


def test_each_feed_that_is_being_read_has_a_line(ben: Memocast, server: WebServer) -> None:
    for name in ("Slow", "Silent"):
        server.replies[f"/{name}"] = Reply(rss(item(1, "/1.opus"), title=name))
        ben.run("follow", f"{server.url}/{name}")
    server.replies["/Slow"] = Reply(bytes(1_000_000), stall_at=20_000)
    server.replies["/Silent"] = Reply(send=lambda _: server.ended.wait() and None)
    with Terminal(ben) as terminal:
        terminal.begin("memocast sync")
        terminal.wait_for_text(r"'Slow' +looking for what is new: 20.0 kB of 1.0 MB")
        terminal.wait_for_text(r"'Silent' +looking for what is new$")
        terminal.key("C-c")
        assert "exit=130" in terminal.end()


def test_the_feed_of_a_podcast_to_follow_shows_how_much_has_come(
    ben: Memocast, server: WebServer
) -> None:
    server.replies["/feed"] = Reply(bytes(1_000_000), stall_at=20_000)
    with Terminal(ben) as terminal:
        terminal.begin(f"memocast follow {server.url}/feed")
        terminal.wait_for_text(r"looking for what is new: [0-9.]+ kB of 1.0 MB")
        terminal.key("C-c")
        assert "exit=130" in terminal.end()


def test_a_sync_that_another_one_is_at_says_that_it_waits_and_then_works(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    feed = Reply(rss(item(1, "/1.opus"), title="Show"))
    server.replies["/feed"] = feed
    server.replies["/1.opus"] = Reply(opus.read_bytes())
    ben.run("follow", f"{server.url}/feed")
    server.replies["/feed"] = Reply(bytes(1_000_000), stall_at=20_000)
    asked = len(server.asked)
    with running(ben.start("sync")) as first, Terminal(ben) as terminal:
        wait_for("the first sync", lambda: len(server.asked) > asked)
        terminal.begin("memocast sync")
        terminal.wait_for_text("another memocast is at it; waiting")
        server.replies["/feed"] = feed
        first.kill()
        terminal.wait_for_text(ID)
        assert "exit=0" in terminal.end()
    assert [memo["title"] for memo in ben.run("list", "--json").json] == ["Episode 1"]
