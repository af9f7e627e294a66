"""A disk with bytes left and no room: for no more files (inodes), or by a quota.

There are no quotas in containers and in many kernels, so strace has the first writes fail as one
would: those by pwrite, as SQLite's do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from helpers.full_disk import Put, assert_room_can_be_made, everything
from helpers.full_or_short import scaled
from helpers.killed_commands import memo
from helpers.library_state import leftovers
from helpers.mounted_folder import fill_with_files, free_files, mounted
from helpers.programs import needs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast, Result

LEFT = [0, 1, 2, 4][: scaled(4, 2)]
"""How many files the disk still takes."""


@pytest.fixture(params=["tmpfs", "ext4"][: scaled(2, 1)])
def disk(request: pytest.FixtureRequest, tmp_path: Path, anna: Memocast) -> Iterator[Path]:
    """A disk for 16 MB and 160 files, with Anna's library on it."""
    with mounted(tmp_path / "disk", "16m", request.param, files=160) as disk:
        anna.library = disk / "library"
        anna.environment["MEMOCAST_LIBRARY"] = str(anna.library)
        yield disk
        anna.stop()


def test_memos_are_removed_from_a_disk_that_takes_no_more_files(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    ids = [found["id"] for found in anna.run("list", "--json").json]
    put = Put(anna, disk, tmp_path / "aside", fill_with_files)
    for left in LEFT:
        put.back(left)
        for removed in (ids[:1], ids[1:]):
            assert anna.run("remove", "--yes", *removed).err == ""
            assert (anna.library / "reserve").exists(), "it is there for the next time"
        assert free_files(disk) >= left + len(ids), "sealed files are gone as well"
        assert list((anna.library / "memos").iterdir()) == []
        assert anna.run("list").out == ""
        assert leftovers(anna) == set()


@pytest.mark.full
def test_what_frees_space_works_where_no_more_files_can_be(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    assert_room_can_be_made(anna, Put(anna, disk, tmp_path / "aside", fill_with_files), LEFT)


def test_reading_takes_no_file_and_a_change_says_what_is_lacking(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    everything(anna, opus)
    one = memo(anna, "One")
    commands = [*readers(one, tmp_path), ["seed", "--stop"]]
    said = [anna.run(*command).out for command in commands]
    put = Put(anna, disk, tmp_path / "aside", fill_with_files)
    for left in LEFT[: scaled(2, 1)]:
        put.back(left)
        for command, expected in zip(commands, said, strict=True):
            assert anna.run(*command).out == expected, command
        assert free_files(disk) == left
        for change in (["edit", one, "--title", "Another"], ["add", str(opus)]):
            refused = anna.run(*change, expect=8).err
            assert "the disk is full" in refused
            assert "df -i" in refused
    rows = anna.run("doctor", expect=1).out
    assert "the disk is full" in rows
    assert "all present and unchanged" in rows


@pytest.mark.parametrize("calls", ["pwrite64", "pwrite64,ftruncate"][: scaled(2, 1)])
def test_what_a_quota_forbids_to_write_can_be_read(
    anna: Memocast, opus: Path, tmp_path: Path, calls: str
) -> None:
    everything(anna, opus)
    one = memo(anna, "One")
    for command in readers(one, tmp_path)[: scaled(9, 2)]:
        said = anna.run(*command).out
        assert over_quota(anna, calls, *command).out == said, command
    refused = over_quota(anna, calls, "edit", one, "--title", "Another", expect=8).err
    assert "the disk is full" in refused
    assert "your quota is used up" in refused


@pytest.mark.parametrize(
    "when", ["1..3", pytest.param("9..12", marks=pytest.mark.full)], ids=["opening", "deleting"]
)
def test_memos_are_removed_in_what_the_reserve_held_of_a_quota(
    anna: Memocast, opus: Path, when: str
) -> None:
    """Those writes fail, and the next ones find the room that the reserve took.

    The index of the log takes the first eight; SQLite tries the first one again as it gives up.
    """
    anna.add(opus, title="One")
    two = anna.add(opus, title="Two")
    assert over_quota(anna, f"pwrite64:when={when}", "remove", "--yes", two).err == ""
    assert [found["title"] for found in anna.run("list", "--json").json] == ["One"]
    assert (anna.library / "reserve").exists()
    assert leftovers(anna) == set()


def test_what_cannot_be_set_aside_whole_takes_nothing(anna: Memocast) -> None:
    # As with a quota, the disk has more room than a file may take.
    anna.program("sh", "-c", "ulimit -f 1000; exec python -m memocast list")
    assert (anna.library / "library.db").exists()
    assert not (anna.library / "reserve").exists()


def readers(one: str, folder: Path) -> list[list[str]]:
    return [
        ["list", "--json"],
        ["export", one, "--tags", "--force", "-o", str(folder / "copy.opus")],
        ["show", one, "--json"],
        ["status", "--json"],
        ["channel", "list"],
        ["channel", "show", "Notes"],
        ["following"],
        ["pair"],
        ["identity"],
    ]


def over_quota(user: Memocast, calls: str, *command: str, expect: int = 0) -> Result:
    """Run a command in which those calls fail as they do where a quota is used up."""
    names, _, when = calls.partition(":")
    inject = f"inject={names}:error=EDQUOT" + (f":{when}" if when else "")
    trace = ["-f", "-qq", "-o", "/dev/null", "-e", f"trace={names}", "-e", inject]
    result = user.program(needs("strace"), *trace, sys.executable, "-m", "memocast", *command)
    assert result.code == expect, result
    return result
