"""A full disk: what frees space works, what reads needs none, and the rest says so."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from helpers.full_disk import Put, assert_room_can_be_made, everything
from helpers.full_or_short import scaled
from helpers.killed_commands import LINK, memo
from helpers.library_state import leftovers
from helpers.mounted_folder import PAGE_BYTES, fill, free_bytes, make_room, mounted
from helpers.podcast_feeds import item, rss
from helpers.web_server import Reply, WebServer
from memocast.library.reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

KINDS = ["tmpfs", "ext4"]
SOME = [0, 3, 10, 25, 75][:: scaled(1, 3)]
"""How many pages of 4 kB are left: 0, 12, 40, 100 and 300 kB."""


@pytest.fixture(params=KINDS[:: scaled(1, 2)])
def disk(request: pytest.FixtureRequest, tmp_path: Path, anna: Memocast) -> Iterator[Path]:
    """A disk of 16 MB with Anna's library on it."""
    with mounted(tmp_path / "disk", "16m", request.param) as disk:
        anna.library = disk / "library"
        anna.environment["MEMOCAST_LIBRARY"] = str(anna.library)
        yield disk
        anna.stop()


IN_MEMORY = pytest.mark.parametrize("disk", KINDS[: scaled(2, 1)], indirect=True)
"""For tests that ext4 adds little to."""


def test_memos_are_removed_however_full_the_disk_is(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    ids = [found["id"] for found in anna.run("list", "--json").json]
    put = Put(anna, disk, tmp_path / "aside")
    for pages in SOME:
        put.back(pages)
        before = free_bytes(disk)
        assert anna.run("remove", "--yes", *ids).err == ""
        assert free_bytes(disk) > before + 4 * opus.stat().st_size, pages
        assert list((anna.library / "memos").iterdir()) == []
        assert list((anna.library / "sealed").iterdir()) == []
        assert (anna.library / "reserve").stat().st_size > 900_000, "it is there for the next time"
        assert anna.run("list").out == ""
        assert leftovers(anna) == set()


def test_what_frees_space_works_on_a_full_disk(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    assert_room_can_be_made(anna, Put(anna, disk, tmp_path / "aside"), SOME)


@IN_MEMORY
def test_memos_of_a_podcast_that_are_old_enough_are_deleted_on_a_full_disk(
    anna: Memocast, opus: Path, disk: Path, server: WebServer
) -> None:
    server.replies["/1.opus"] = Reply(opus.read_bytes())
    server.replies["/feed.xml"] = Reply(rss(item(1, f"{server.url}/1.opus")))
    anna.run("follow", f"{server.url}/feed.xml", "--keep-days", "3")
    (old,) = anna.run("sync").out.split()
    with closing(sqlite3.connect(anna.library / "library.db", isolation_level=None)) as database:
        days_ago = int(time.time()) - 4 * 86_400
        database.execute("UPDATE item SET arrived = ?", (days_ago,))
        database.execute("UPDATE channel SET checked = ?", (days_ago,))
    fill(disk, 0)
    assert "the disk is full" in anna.run("sync", expect=8).err  # it cannot note that it looked
    assert not (anna.library / "memos" / f"{old}.opus").exists()
    assert free_bytes(disk) >= opus.stat().st_size // 2
    assert anna.run("list").out == ""


@pytest.mark.full
@IN_MEMORY
def test_memos_can_be_removed_when_no_room_was_set_aside(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    (anna.library / "reserve").unlink()
    put = Put(anna, disk, tmp_path / "aside")
    for pages in SOME:
        put.back(pages)
        anna.run("remove", "--yes", memo(anna, "One"), memo(anna, "Two"))
        assert [found["title"] for found in anna.run("list", "--json").json] == ["Four", "Three"]
        make_room(disk)
        assert leftovers(anna) == set()
        assert "all present" in anna.run("doctor", "--repair", expect=1).out  # a small disk


def test_memos_are_removed_while_a_seeder_has_the_library_open(
    anna: Memocast, opus: Path, disk: Path
) -> None:
    everything(anna, opus)
    anna.run("seed", "--background")
    fill(disk, 0)
    shown = anna.run("list", "--json").json
    assert len(shown) == 4
    anna.run("remove", "--yes", *(found["id"] for found in shown[:3]))
    # The seeder's log and the database's, which the seeder keeps from being emptied, grow too.
    assert free_bytes(disk) >= opus.stat().st_size // 2
    assert anna.run("list", "--json").json == shown[3:]
    assert anna.seeder() is not None
    anna.run("seed", "--stop")


@IN_MEMORY
def test_reading_takes_no_room(anna: Memocast, opus: Path, disk: Path, tmp_path: Path) -> None:
    everything(anna, opus)
    one = memo(anna, "One")
    copy = str(tmp_path / "copy.opus")
    commands = [
        ["list", "--json"],
        ["show", one, "--json"],
        ["status", "--json"],
        ["export", one, "--tags", "--force", "-o", copy],
        ["channel", "list"],
        ["channel", "show", "Notes"],
        ["following"],
        ["pair"],
        ["identity"],
        ["seed", "--stop"],
    ]
    said = [anna.run(*command).out for command in commands]
    put = Put(anna, disk, tmp_path / "aside")
    for pages in (0, 3):
        put.back(pages)
        before = free_bytes(disk)
        for command, expected in zip(commands, said, strict=True):
            assert anna.run(*command).out == expected, command
        assert free_bytes(disk) == before
    report = anna.run("doctor", expect=1).out
    assert "bytes free" in report
    assert "all present and unchanged" in report


NEEDS_ROOM = {
    "add -": 1,  # what is still in a buffer meets the full disk when the file is closed
    "channel publish --no-seed =One": 6,
    "add SPEECH": 1,
    "share --no-seed --private =One": 3,
    "share --no-seed =One": 3,
    "channel create More": 3,
    f"follow {LINK} --newest 3": 3,
    "edit =One --description Another": 3,
}
"""Commands, and how many pages apart the levels are at which each is tried in a short run."""


@pytest.mark.parametrize("command", list(NEEDS_ROOM)[: scaled(8, 2)])
def test_what_needs_room_says_so_and_loses_nothing(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path, command: str
) -> None:
    everything(anna, opus)
    words = [
        memo(anna, word[1:]) if word[0] == "=" else word.replace("SPEECH", str(opus))
        for word in command.split()
    ]
    before = {found["id"] for found in anna.run("list", "--json").json}
    put = Put(anna, disk, tmp_path / "aside")
    codes = []
    for pages in [0, *range(16, scaled(36, 24), scaled(1, NEEDS_ROOM[command])), 75]:
        put.back(pages)
        stdin = opus.read_bytes() if words[-1] == "-" else b""
        result = anna.run(*words, stdin=stdin, expect=None)
        codes.append(result.code)
        if result.code:
            assert (result.code, "the disk is full" in result.err) == (8, True), (pages, result)
        make_room(disk)
        after = {found["id"] for found in anna.run("list", "--json").json}
        assert after == before | set(result.lines if words[0] == "add" else [])
        assert leftovers(anna) == set(), pages
    assert codes[0] == 8
    assert codes[-1] == 0


@IN_MEMORY
def test_a_seeder_that_does_not_start_on_a_full_disk_is_exit_8(
    anna: Memocast, opus: Path, disk: Path
) -> None:
    anna.add(opus)
    for pages in (0, 17):
        fill(disk, pages)
        result = anna.run("seed", "--background", expect=None)
        if result.code:
            assert (result.code, "the disk is full" in result.err) == (8, True), (pages, result)
        anna.run("seed", "--stop")


def test_room_is_set_aside_from_plenty_only_and_is_taken_back(tmp_path: Path) -> None:
    for kind in KINDS:
        with mounted(tmp_path / kind, "16m", kind) as disk:
            reserve = Reserve(disk / "reserve")
            fill(disk, 500)  # 2 MB
            reserve.make()
            assert not (disk / "reserve").exists()
            make_room(disk)
            reserve.make()
            held = (disk / "reserve").stat()
            assert held.st_size <= held.st_blocks * 512, "the disk has really given it"
            assert len(set((disk / "reserve").read_bytes())) > 200, "it cannot be compressed"
            fill(disk, 0)
            assert reserve.give_up()
            assert not reserve.give_up()
            assert free_bytes(disk) > held.st_size - PAGE_BYTES
            (disk / "others").write_bytes(bytes(300_000))
            reserve.take_back()
            assert 500_000 < (disk / "reserve").stat().st_size < held.st_size
            (disk / "others").unlink()
            reserve.take_back()
            assert (disk / "reserve").stat().st_size == held.st_size
