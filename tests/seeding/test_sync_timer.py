"""When the seeder syncs: at once after a change, also while a slow show holds up its last sync."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers.podcast_feeds import item, rss
from helpers.waiting import wait_for
from helpers.web_server import Reply
from memocast.seeding.sync_timer import SyncTimer

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.web_server import WebServer


@pytest.mark.long
def test_while_a_show_trickles_what_changes_is_synced_at_once(
    someone: Callable[..., Memocast], server: WebServer, opus: Path
) -> None:
    def trickle(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"OggS" + bytes(20_000))
        while not server.ended.wait(1.0):
            request.wfile.write(bytes(1_500))

    ben = someone("ben", MEMOCAST_SYNC_INTERVAL="300")
    server.replies |= {
        "/slow": Reply(rss(item(1, "/slow.opus"), title="Slow")),
        "/slow.opus": Reply(send=trickle),
        "/honest": Reply(rss(item(2, "/2.opus"), title="Honest")),
        "/2.opus": Reply(opus.read_bytes()),
    }
    memo = ben.add(opus, title="Before")
    ben.run("pair")
    ben.run("follow", f"{server.url}/slow")
    # It takes all of the five minutes that the seeder gives it.
    ben.run("seed", "--background")
    wait_for("the slow show", lambda: "/slow.opus" in server.paths())
    published = wait_for("what was there before", lambda: version(ben) + 1)

    ben.run("edit", memo, "--title", "After")
    ben.run("follow", f"{server.url}/honest")
    wait_for("the change", lambda: version(ben) >= published)
    wait_for("the new show", lambda: "/2.opus" in server.paths())
    assert server.paths().count("/slow.opus") == 1


def version(user: Memocast) -> int:
    """The number of what the user's device last published to the other ones; -1 before."""
    with contextlib.closing(sqlite3.connect(user.library / "library.db")) as database:
        (found,) = database.execute("SELECT seq FROM channel WHERE kind = 'pair'").fetchone()
    assert isinstance(found, int)
    return found


def test_a_second_sync_is_a_quick_one_and_there_is_no_third(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[tuple[str, ...], subprocess.Popen[bytes]]] = []

    def start(_root: Path, *arguments: str, **_: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "60"])
        started.append((arguments, process))
        return process

    monkeypatch.setattr("memocast.seeding.sync_timer.start", start)
    monkeypatch.setattr("memocast.seeding.sync_timer._APART_SECONDS", 0.0)
    (tmp_path / "log").mkdir()
    timer = SyncTimer(tmp_path, 300)
    try:
        for wanted in ("", "1", "1", "1 1", "1 2", "1 2"):
            timer.tick(wanted)
        assert [arguments[2:] for arguments, _ in started] == [(), ("--quick",)]
        for ended, expected in ((1, ("--quick",)), (0, ())):
            process = started[ended][1]
            process.kill()
            process.wait()
            timer.tick(f"1 {len(started) + 1}")
            assert started[-1][0] == ("sync", "--quiet", *expected)
    finally:
        timer.stop()
    assert all(process.poll() is not None for _, process in started)
    assert len(started) == 4
