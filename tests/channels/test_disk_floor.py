"""What comes in without being asked for leaves room on the disk."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from helpers.channel_commands import create
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


def test_an_episode_without_room_is_not_begun_and_status_says_that_it_waits(
    ben: Memocast, server: WebServer, opus: Path, tmp_path: Path
) -> None:
    size = 8_000_000
    server.replies |= {
        "/feed": Reply(rss(item(2, "large"), item(1, "1.opus"))),
        "/large": Reply(bytes(size)),
        "/1.opus": Reply(opus.read_bytes()),
    }
    with mounted(tmp_path / "disk", "16m") as disk:
        small = ben.with_(MEMOCAST_LIBRARY=str(disk / "library"), MEMOCAST_DISK_FLOOR="10000000")
        small.library = disk / "library"
        small.run("follow", f"{server.url}/feed")
        free = os.statvfs(disk).f_bavail
        assert "1 new memo was not fetched" in small.run("sync", expect=8).err
        assert titles(small) == ["Episode 1"]
        assert free - os.statvfs(disk).f_bavail < 1_000_000 // os.statvfs(disk).f_bsize
        assert "1 new memo did not fit at the last sync" in small.run("status").out
        assert small.run("status", "--json").json["disk"]["waiting"] == 1
        small.run("unfollow", "A show")
        small.run("follow", f"{server.url}/feed")  # it may get the number of the other
        assert "disk" not in small.run("status", "--json").json


def test_what_ended_at_the_floor_is_not_loaded_again_by_the_seeders_next_sync(
    ben: Memocast, server: WebServer, tmp_path: Path
) -> None:
    def swell(request: BaseHTTPRequestHandler) -> None:
        while not server.ended.wait(0.01):
            request.wfile.write(bytes(1 << 16))

    # Its ETag would let it go on where it was, but it may have no end.
    server.replies["/endless"] = Reply(send=swell, headers={"ETag": '"e"'})
    server.replies["/feed"] = Reply(rss(item(1, "endless")))
    with mounted(tmp_path / "disk", "16m") as disk:
        small = ben.with_(MEMOCAST_LIBRARY=str(disk / "library"), MEMOCAST_DISK_FLOOR="10000000")
        small.library = disk / "library"
        small.run("follow", f"{server.url}/feed")
        small.run("sync", "--quiet", expect=8)
        assert not list(small.library.glob("incoming/download-web-*")), "it makes room again"
        asked = server.paths().count("/endless")
        assert asked == 1
        small.run("sync", "--quiet")
        assert server.paths().count("/endless") == asked
        small.run("sync", expect=8)
        assert server.paths().count("/endless") == asked + 1, "unless the user wants it"


@pytest.mark.full
def test_a_channel_s_memos_wait_for_room_too(
    someone: Callable[[str], Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = create(anna)
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
