"""Several sources at once: none waits for one that is slow, hangs or crashes."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from helpers.full_or_short import scaled
from helpers.podcast_feeds import item, problem, rss, titles
from helpers.processes import is_running, running
from helpers.waiting import wait_for
from helpers.web_server import Reply, WebServer
from memocast.channels.source_sync import sync_source
from memocast.channels.sync_events import Ended, Event
from memocast.channels.sync_workers import AT_ONCE, SyncWorkers
from memocast.channels.time_limit import OutOfTime
from memocast.channels.turns import SyncLimits
from memocast.errors import LibraryError
from memocast.formats.channel import SALT, ChannelLink
from memocast.library.tables.channels import Channels
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.server import BaseHTTPRequestHandler

    from helpers.memocast_user import Memocast
    from memocast.library.library import Library

SLOW = AT_ONCE
"""Slow shows, so that the honest one comes after them."""


@pytest.fixture
def shows(ben: Memocast, server: WebServer, opus: Path) -> Iterator[WebServer]:
    """Ben follows slow shows, which send 1.5 kB/s without end, and after them an honest one."""

    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"OggS" + bytes(20_000))
        while not server.ended.wait(1.0):
            request.wfile.write(bytes(1_500))

    server.replies["/slow.opus"] = Reply(send=trickle, headers={"ETag": '"s"'})
    server.replies["/1.opus"] = Reply(opus.read_bytes())
    for name in [f"Slow {number}" for number in range(SLOW)]:
        follow(ben, server, name, "slow.opus")
    follow(ben, server, "Honest", "1.opus")
    return server


def follow(ben: Memocast, server: WebServer, name: str, enclosure: str) -> None:
    path = f"/{name.replace(' ', '-')}"
    server.replies[path] = Reply(rss(item(1, f"/{enclosure}"), title=name))
    ben.run("follow", f"{server.url}{path}")


def test_slow_shows_end_in_their_time_and_come_last_the_next_time(
    ben: Memocast, shows: WebServer
) -> None:
    synced = ben.run("sync", "--deadline", "5s", expect=6)
    assert titles(ben) == ["Episode 1"]
    for number in range(SLOW):
        assert f"error: 'Slow {number}' took longer than 5 s" in synced.err
    assert "hint: what has arrived is kept, and the next sync goes on from there" in synced.err
    assert tries(ben) == {0}
    assert "memocast: 'Honest': 1 new memo" in synced.err

    asked = len(shows.asked)
    with running(ben.start("sync", "--quiet")) as process:
        wait_for("the first sources", lambda: len(feeds(shows, asked)) >= SLOW)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert "/Honest" in feeds(shows, asked)[:SLOW]


def tries(ben: Memocast) -> set[int]:
    """How many tries each missing item has cost."""
    with contextlib.closing(sqlite3.connect(ben.library / "library.db")) as database:
        rows = database.execute("SELECT tries FROM item WHERE arrived IS NULL")
        return {row[0] for row in rows}


def feeds(shows: WebServer, since: int) -> list[str]:
    return [path for path in shows.paths()[since:] if not path.endswith(".opus")]


def test_while_one_process_syncs_a_slow_show_another_syncs_the_rest(
    ben: Memocast, shows: WebServer
) -> None:
    with running(ben.start("sync", "Slow 1")) as process:
        wait_for("the slow show", lambda: "/slow.opus" in shows.paths())
        assert len(ben.run("sync", "Honest").out.split()) == 1
        left = ben.run("sync", "--quiet", "Slow 1", "Honest")
        assert (left.out, left.err) == ("", ""), "it is left to the process that is at it"
        waited = ben.run("sync", "Slow 1", "--deadline", "1s", expect=6)
        assert "'Slow 1' took longer than 1 s" in waited.err
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; what has arrived is kept" in err


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL, signal.SIGSTOP][: scaled(3, 1)])
def test_a_worker_that_dies_or_hangs_costs_its_own_source_alone(
    ben: Memocast, shows: WebServer, how: signal.Signals
) -> None:
    for number in range(1, SLOW):
        ben.run("unfollow", f"Slow {number}")
    with running(ben.start("sync", "--deadline", "8s")) as process:
        wait_for("the slow show", lambda: "/slow.opus" in shows.paths())
        # The first worker has the first source.
        worker = min(children(process.pid))
        os.kill(worker, how)
        out, err = process.communicate(timeout=60)
    assert len(out.split()) == 1
    if how == signal.SIGSTOP:
        assert process.returncode == 6
        assert "'Slow 0' took longer than 8 s" in err
    else:
        assert process.returncode == 1
        assert f"syncing 'Slow 0' crashed: {how.name}" in err
        assert problem(ben, "Slow 0") == f"syncing it crashed: {how.name}"
    assert not is_running(worker)


def test_a_source_whose_worker_was_killed_comes_last_the_next_time(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object, **__: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    monkeypatch.setattr("memocast.processes.line_process.start", hang)
    monkeypatch.setattr("memocast.channels.sync_workers._GRACE_SECONDS", 0.0)
    stuck, honest = (
        library.channels.add(ChannelLink(name.encode() * 32, SALT, name)) for name in "ab"
    )
    assert library.channels.in_turn() == [stuck, honest]
    limits = SyncLimits(source_seconds=0.1)
    with SyncWorkers(library, [], subprocess.DEVNULL, limits) as workers:
        (ended,) = workers.sync([stuck])
    assert isinstance(ended, Ended)
    assert ended.news
    assert [str(problem) for problem in ended.news.problems] == ["'a' took longer than 0.1 s"]
    assert [one.number for one in library.channels.in_turn()] == [honest.number, stuck.number]
    assert library.channels.get("a").problem == "it took longer than 0.1 s"


def test_what_was_fetched_is_told_even_if_the_library_cannot_be_written_any_more(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch_one(*arguments: Any) -> None:
        arguments[4].memos.append("abcdefgh")
        raise OutOfTime

    def refuse(*_: object, **__: object) -> None:
        raise LibraryError("the disk is full")

    monkeypatch.setattr("memocast.channels.source_sync._sync", fetch_one)
    monkeypatch.setattr(Channels, "note_time", refuse)
    heard: list[Event] = []
    channel = library.channels.add(ChannelLink(bytes(32), SALT, "Anna"))
    sync_source(library, Settings(), channel, SyncLimits(source_seconds=9), heard.append)
    (ended,) = heard
    assert isinstance(ended, Ended)
    assert ended.news
    assert ended.news.memos == ["abcdefgh"]
    problems = [str(problem) for problem in ended.news.problems]
    assert problems == ["'Anna' took longer than 9 s", "the disk is full"]


def test_what_nobody_waits_for_is_synced_in_a_process_that_can_be_killed(
    ben: Memocast, server: WebServer
) -> None:
    server.replies["/slow.opus"] = Reply(b"OggS" + bytes(9_999), stall_at=9_999)
    follow(ben, server, "Slow", "slow.opus")
    with running(ben.start("sync", "--quiet")) as process:
        wait_for("the slow show", lambda: "/slow.opus" in server.paths())
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in children(process.pid)]
        assert any("--worker" in command for command in commands)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "error" not in err, "which the seeder's log would keep"


def children(parent: int) -> list[int]:
    said = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(pid) for pid in said.split()]


def test_workers_end_with_the_process_that_gives_them_work(ben: Memocast, shows: WebServer) -> None:
    with running(ben.start("sync")) as process:
        wait_for("the slow shows", lambda: shows.paths().count("/slow.opus") == SLOW)
        workers = children(process.pid)
        process.kill()
        process.communicate(timeout=30)
    wait_for("the workers' end", lambda: not any(map(is_running, workers)))


def test_your_own_devices_come_first(
    someone: Callable[[str], Memocast], server: WebServer, opus: Path
) -> None:
    phone, ben = someone("phone"), someone("ben")
    memo = phone.add(opus, title="On the phone")
    secret = phone.run("pair").out
    phone.run("sync")
    phone.run("seed", "--background")
    server.replies["/slow.opus"] = Reply(b"OggS" + bytes(9_999), stall_at=9_999)
    for number in range(SLOW):
        follow(ben, server, f"Slow {number}", "slow.opus")
    ben.run("pair", "-", stdin=secret)
    with running(ben.start("sync")) as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == [memo]
        assert process.poll() is None, "the slow shows go on"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
