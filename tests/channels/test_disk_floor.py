"""What comes in without being asked for leaves room on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from helpers.memocast_user import Memocast
from helpers.mounted_folder import mounted
from helpers.podcast_feeds import item, rss, titles
from helpers.shared_memo import sha256
from helpers.web_server import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from helpers.web_server import WebServer


def test_below_the_floor_nothing_new_is_fetched_and_that_is_said(
    ben: Memocast, server: WebServer, opus: Path
) -> None:
    server.replies |= {
        "/feed": Reply(rss(item(2, "2.opus"), item(1, "1.opus"))),
        "/1.opus": Reply(opus.read_bytes()),
        "/2.opus": Reply(opus.read_bytes()),
    }
    full = ben.with_(MEMOCAST_DISK_FLOOR=str(2**50))
    full.run("follow", f"{server.url}/feed")
    synced = full.run("sync", expect=8)
    assert synced.out == ""
    assert "of which memocast leaves 1125899.9 GB: 2 new memos were not fetched" in synced.err
    assert "hint: free some space, or lower the setting 'disk_floor'" in synced.err
    assert server.paths().count("/1.opus") == 0
    disk = full.run("status", "--json").json["disk"]
    assert disk["floor"] == 2**50
    assert disk["free"] > 0
    assert "nothing new is fetched from channels" in full.run("status").out
    # What is asked for is fetched, and so is everything when there is room again.
    anna = full.add(opus)
    assert anna
    assert len(ben.run("sync").out.split()) == 2
    assert "disk" not in ben.run("status", "--json").json
    assert "disk" not in ben.run("status").out


def test_an_episode_larger_than_it_says_ends_at_the_floor(
    ben: Memocast, server: WebServer, opus: Path, tmp_path: Path
) -> None:
    def swell(request: BaseHTTPRequestHandler) -> None:
        while not server.ended.wait(0.02):
            request.wfile.write(bytes(1 << 16))

    server.replies |= {
        "/feed": Reply(rss(item(2, "endless"), item(1, "1.opus"))),
        "/endless": Reply(send=swell),
        "/1.opus": Reply(opus.read_bytes()),
    }
    floor = 10_000_000
    with mounted(tmp_path / "disk", "16m") as disk:
        small = ben.with_(MEMOCAST_LIBRARY=str(disk / "library"), MEMOCAST_DISK_FLOOR=str(floor))
        small.library = disk / "library"
        small.run("follow", f"{server.url}/feed")
        synced = small.run("sync", expect=8)
        assert "1 new memo was not fetched" in synced.err
        assert titles(small) == ["Episode 1"]
        status = os.statvfs(disk)
        # It looks twice a second, and 3 MB arrive in a second at most.
        assert status.f_bavail * status.f_frsize > floor - 4_000_000


def test_a_channel_s_memos_wait_for_room_too(
    someone: Callable[[str], Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = anna.run("channel", "create", "Notes").out.strip()
    anna.run("channel", "publish", anna.add(opus, title="Said"))
    ben.run("follow", link)
    full = ben.with_(MEMOCAST_DISK_FLOOR=str(2**50))
    assert "was not fetched" in full.run("sync", expect=8).err
    assert full.run("list").out == ""
    memo = ben.run("sync").out.strip()
    assert sha256(ben.audio(memo)) == sha256(opus)


def test_without_the_setting_a_gigabyte_stays_free(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "16m") as disk:
        carla = Memocast(tmp_path / "carla")
        carla.environment["MEMOCAST_LIBRARY"] = str(disk / "library")
        del carla.environment["MEMOCAST_DISK_FLOOR"]
        assert carla.run("status", "--json").json["disk"]["floor"] == 1_000_000_000
