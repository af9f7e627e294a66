"""Sources whose turn in the seeder's sync is too short: what they get, and what others do not lose.

The seeder gives each source five minutes. Here it has seconds.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from helpers.podcast_feeds import item, problem, rss, titles
from helpers.private_settings import PRIVATE
from helpers.web_server import Reply, WebServer
from memocast.channels import subscribe, turns
from memocast.channels.pair import meeting_place, new_secret
from memocast.channels.source_sync import sync_source
from memocast.channels.sync_events import Ended, Event, Moved
from memocast.channels.sync_workers import AT_ONCE, SyncWorkers
from memocast.channels.turns import SyncLimits
from memocast.fetching.progress import Reading, Waiting
from memocast.files import lock
from memocast.formats.channel import SALT, ChannelLink
from memocast.settings import Settings

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from memocast.formats.channel import Channel
    from memocast.library.library import Library

TURN = 3.0
LIMITS = SyncLimits(source_seconds=TURN, begin_seconds=TURN, eager=False)
AS_THE_SEEDER = ("sync", "--quiet", "--deadline", f"{TURN:g}s")


def change(user: Memocast, statement: str) -> list[tuple[int]]:
    """What the statement returns from the user's database."""
    with contextlib.closing(sqlite3.connect(user.library / "library.db")) as database, database:
        return database.execute(statement).fetchall()


def test_an_episode_that_cannot_be_continued_is_tried_less_often_and_for_longer(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {
        "/feed": Reply(rss(item(1, "1.opus"))),
        "/1.opus": Reply(opus.read_bytes(), stall_at=20_000),
    }
    ben.run("follow", f"{server.url}/feed")
    lost = ben.run(*AS_THE_SEEDER, expect=6)
    assert "error: 'A show' took longer than 3 s" in lost.err
    assert "hint: it has to begin anew; allow it more time: memocast sync --deadline" in lost.err
    assert change(ben, "SELECT tries FROM item") == [(1,)]
    assert problem(ben) is None, "its feed was read"

    ben.run(*AS_THE_SEEDER)
    assert server.paths().count("/1.opus") == 1, "it waits for ten minutes"

    def late(request: BaseHTTPRequestHandler) -> None:
        server.ended.wait(TURN + 1)
        request.wfile.write(opus.read_bytes())

    server.replies["/1.opus"] = Reply(send=late)
    change(ben, "UPDATE item SET tried = 0, tries = 3")
    ben.run(*AS_THE_SEEDER)
    assert titles(ben) == ["Episode 1"]


def test_time_and_pause_double_up_to_an_hour_and_a_day(library: Library) -> None:
    limits = SyncLimits(source_seconds=300, eager=False)
    channel = followed(library, "a")
    for seconds in (300, 600, 1200, 2400, *[3600] * 6):
        assert turns.seconds_for(library, channel, limits) == seconds
        library.channels.note_time(channel, slow=True, lost=True)
    eager = SyncLimits(source_seconds=300)
    assert turns.seconds_for(library, channel, eager) == 300

    def is_due(seconds_ago: float) -> bool:
        library.channels.note_check(channel, int(time.time() - seconds_ago), "")
        return bool(turns.in_turn(library, limits))

    assert not is_due(23 * 3600)
    assert is_due(24 * 3600)
    library.channels.note_time(channel, slow=True)
    assert is_due(0)
    assert turns.seconds_for(library, channel, limits) == 300


def followed(library: Library, name: str) -> Channel:
    return library.channels.add(ChannelLink(name.encode() * 32, SALT, name))


def test_a_channel_that_gets_the_number_of_one_that_was_slow_begins_anew(library: Library) -> None:
    slow = followed(library, "a")
    library.channels.note_time(slow, slow=True, lost=True)
    subscribe.unfollow(library, "a")
    other = followed(library, "b")
    assert other.number == slow.number
    assert library.channels.slow() == set()
    assert library.channels.lost_turns() == {}


def test_a_sync_beside_a_long_one_leaves_out_what_would_hold_it_up_too(library: Library) -> None:
    slow, long, checked, due, new = (followed(library, name) for name in "abcde")
    moment = int(time.time())
    library.channels.note_time(slow, slow=True)
    library.channels.note_time(long, slow=False, lost=True)
    for one, ago in ((slow, 9_999), (long, 9_999), (checked, 9), (due, 300)):
        library.channels.note_check(one, moment - ago, "")
    names = [one.name for one in turns.in_turn(library, LIMITS)]
    assert names == ["e", "d", "c", "a", "b"]
    assert [one.name for one in turns.quick(library, LIMITS, 300)] == [new.name, due.name]


@pytest.mark.full
def test_feeds_that_trickle_do_not_keep_slow_channels_from_their_turn(
    library: Library, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("MEMOCAST_")]:
        monkeypatch.delenv(name)  # those of a full run, which no command knows
    for name, value in PRIVATE.items():
        monkeypatch.setenv(name, value)

    def trickle(request: BaseHTTPRequestHandler) -> None:
        while not server.ended.wait(0.5):
            request.wfile.write(b" " * 1_000)

    server.replies["/honest.opus"] = Reply(b"OggS" + bytes(20_000), stall_at=20_000)
    paths = [f"/trickles-{number}" for number in range(AT_ONCE + 1)]
    for path in [*paths, "/honest"]:
        server.replies[path] = Reply(rss(item(1, "/honest.opus"), title=path))
        library.channels.note_time(
            subscribe.follow(library, f"{server.url}{path}").channel, slow=True
        )
    server.replies |= {path: Reply(send=trickle) for path in paths}

    assert "/honest.opus" not in asked_in_a_sync(library, server)
    for path in paths[:AT_ONCE]:
        assert library.channels.get(path).problem == "it took longer than 3 s"
    assert "/honest.opus" in asked_in_a_sync(library, server)


def asked_in_a_sync(library: Library, server: WebServer) -> list[str]:
    """What a sync like the seeder's asks the server for."""
    before = len(server.asked)
    arguments = ["sync", "--worker", "--quiet"]
    with SyncWorkers(library, arguments, subprocess.DEVNULL, LIMITS) as workers:
        for _ in workers.sync(turns.in_turn(library, LIMITS)):
            pass
    return server.paths()[before:]


def test_the_look_for_paired_devices_is_told_from_the_beginning(library: Library) -> None:
    link, secret = meeting_place(new_secret())
    pair = library.channels.add(link, secret, kind="pair")
    heard: list[Event] = []
    sync_source(library, Settings(dht=False), pair, SyncLimits(), heard.append)
    assert heard[0] == Moved(pair.number, Reading())


def test_a_sync_waits_for_another_ones_turn_of_paired_devices_and_blames_nobody(
    library: Library,
) -> None:
    link, secret = meeting_place(new_secret())
    pair = library.channels.add(link, secret, kind="pair")
    heard: list[Event] = []
    held = lock(library.root / f"sync-{pair.number}.lock")
    assert held is not None
    try:
        limits = SyncLimits(source_seconds=0.5, eager=False)
        sync_source(library, Settings(dht=False), pair, limits, heard.append)
    finally:
        os.close(held)
    assert heard[0] == Moved(pair.number, Waiting())
    assert heard[-1] == Ended(pair.number, None)
    assert library.channels.slow() == set()
