"""A library that cannot be written: it is read all the same, and what would change it says so."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from helpers.channel_commands import create
from helpers.full_or_short import scaled
from helpers.killed_commands import LINK, memo
from helpers.memocast_user import Memocast, Result
from helpers.mounted_folder import make_read_only, mounted
from helpers.repository import TESTS
from memocast.errors import ReadOnly
from memocast.library.library import Library
from memocast.library.tables.reading_copy import reading_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from helpers.sound_card import SoundCard

_CRASH = """
import os, signal, sys
from pathlib import Path
from memocast.library.library import Library
library = Library(Path(sys.argv[1]))
library.edit(library.get("latest"), "Renamed just before the crash")
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A process that dies right after a commit: the row is in the write-ahead log alone."""

_PLAIN_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
"""As root without root's right to write everywhere."""


@pytest.fixture(params=["tmpfs", "ext4"][: scaled(2, 1)])
def disk(request: pytest.FixtureRequest, tmp_path: Path, anna: Memocast) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "16m", request.param) as disk:
        anna.library = disk / "library"
        anna.environment["MEMOCAST_LIBRARY"] = str(anna.library)
        yield disk


def filled(anna: Memocast, opus: Path) -> str:
    one = anna.add(opus, title="One", description="two\nlines")
    anna.run("share", "--no-seed", one)
    create(anna, name="Notes")
    anna.run("channel", "publish", "--no-seed", one)
    anna.run("identity")
    return one


def readers(one: str, copy: Path) -> list[list[str]]:
    return [
        ["list"],
        ["list", "one", "--json"],
        ["show", one, "--json"],
        ["status", "--json"],
        ["export", one, "--tags", "--force", "-o", str(copy)],
        ["export", one, "-o", "-"],
        ["channel", "list", "--json"],
        ["channel", "show", "Notes"],
        ["channel", "rss", "Notes", str(copy.with_name("pod"))],
        ["channel", "export", "Notes", str(copy.with_name("new.key"))],
        ["following"],
        ["identity"],
        ["seed", "--stop"],
    ]


def test_a_library_on_a_read_only_disk_can_be_read(
    anna: Memocast, opus: Path, disk: Path, tmp_path: Path
) -> None:
    one = filled(anna, opus)
    commands = readers(one, tmp_path / "copy.opus")
    said = [anna.run(*command).out for command in commands]
    (tmp_path / "new.key").unlink()
    make_read_only(disk)
    for command, expected in zip(commands, said, strict=True):
        result = anna.run(*command)
        assert result.out == expected, command
        assert "read-only" not in result.err
    examined = anna.run("doctor", expect=1).out
    assert "problem\tlibrary\tthe library cannot be changed: the folder is read-only" in examined
    assert "all present and unchanged" in examined


def test_what_would_change_a_read_only_library_is_exit_8(
    anna: Memocast, opus: Path, disk: Path
) -> None:
    one = filled(anna, opus)
    make_read_only(disk)
    for command in (
        ["add", str(opus)],
        ["edit", one, "--title", "Other"],
        ["remove", one, "--yes"],
        ["share", one],
        ["unshare", one],
        ["record", "--duration", "1"],
        ["fetch", "magnet:?xt=urn:btih:" + "0" * 40],
        ["channel", "create", "More"],
        ["channel", "retract", one],
        ["follow", LINK],
        ["unfollow", "Notes"],
        ["sync"],
        ["pair"],
        ["pair", "--end"],
        ["seed"],
        ["seed", "--background"],
        ["doctor", "--repair"],
    ):
        result = anna.run(*command, expect=8)
        assert result.out == ""
        assert "the folder is read-only" in result.err, command
        assert "memocast: hint: mount its disk for writing" in result.err
    assert memo(anna, "One") == one


@pytest.mark.parametrize("index", ["is there", "is gone"])
def test_what_a_crash_left_in_the_log_is_read_from_a_read_only_disk(
    anna: Memocast, opus: Path, disk: Path, index: str
) -> None:
    filled(anna, opus)
    crashed = subprocess.run([sys.executable, "-c", _CRASH, anna.library], check=False)
    assert crashed.returncode == -signal.SIGKILL
    assert (anna.library / "library.db-wal").stat().st_size
    if index == "is gone":
        (anna.library / "library.db-shm").unlink()
    make_read_only(disk)
    for _ in range(2):
        (found,) = anna.run("list", "crash", "--json").json
        assert found["title"] == "Renamed just before the crash"
    assert "all present and unchanged" in anna.run("doctor", expect=1).out


def test_a_memo_on_a_read_only_disk_is_played(
    anna: Memocast, opus: Path, disk: Path, sound_card: SoundCard
) -> None:
    anna.environment.update(sound_card.environment)
    one = filled(anna, opus)
    make_read_only(disk)
    assert anna.run("play", one).err == ""


def test_a_folder_without_permission_to_write_can_be_read(
    anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    one = filled(anna, opus)
    commands = readers(one, tmp_path / "copy.opus")[:: scaled(1, 4)]
    said = [anna.run(*command).out for command in commands]
    (tmp_path / "new.key").unlink(missing_ok=True)

    def run(*command: str) -> Result:
        whole = [*_PLAIN_USER, sys.executable, "-m", "memocast", *command]
        done = subprocess.run(whole, env=anna.environment, capture_output=True, check=False)
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode())

    kept = [anna.library, *(path for path in anna.library.rglob("*"))]
    modes = [(path, path.stat().st_mode) for path in kept]
    for path, mode in modes:
        path.chmod(mode & ~0o222)
    try:
        for command, expected in zip(commands, said, strict=True):
            result = run(*command)
            assert (result.code, result.out) == (0, expected), (command, result.err)
        for command in (["add", str(opus)], ["remove", one, "--yes"], ["share", one]):
            result = run(*command)
            assert (result.code, result.out) == (8, ""), result.err
            assert "the folder is read-only" in result.err
        anna.library.chmod(0o700)  # only the database is not
        assert run("list").out == said[0]
        assert run("edit", one, "--title", "Other").code == 8
    finally:
        for path, mode in modes:
            if path.exists():
                path.chmod(mode)
    assert memo(anna, "One") == one


def test_a_library_of_an_older_schema_is_read_from_a_read_only_disk(
    anna: Memocast, disk: Path
) -> None:
    shutil.copytree(TESTS / "data" / "library-1", anna.library)
    for folder in ("feeds", "sealed", "incoming", "log"):
        shutil.rmtree(anna.library / folder, ignore_errors=True)
    make_read_only(disk)
    listed = anna.run("list", "--json").json
    assert listed
    assert anna.run("show", listed[0]["id"], "--json").json["title"] == listed[0]["title"]
    anna.run("status")
    anna.run("doctor", expect=1)


def test_a_copy_is_of_one_moment_whatever_others_write(library: Library, opus: Path) -> None:
    """Each commit moves a number from one row to the other: their sum never changes."""
    import sqlite3
    import threading

    with sqlite3.connect(library.database_path, isolation_level=None) as other:
        other.execute("INSERT INTO state VALUES ('one', 0), ('two', 0)")
    ended = threading.Event()

    def write() -> None:
        with sqlite3.connect(library.database_path, isolation_level=None) as connection:
            number = 0
            while not ended.is_set():
                number += 1
                connection.execute(
                    "UPDATE state SET value = CASE key WHEN 'one' THEN ? ELSE ? END"
                    " WHERE key IN ('one', 'two')",
                    (number, -number),
                )
                if number % 7 == 0:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = set()
        for _ in range(200):
            copy = reading_copy(library.database_path, 5.0)
            rows = dict(copy.execute("SELECT key, value FROM state WHERE key IN ('one', 'two')"))
            assert int(rows["one"]) == -int(rows["two"])
            seen.add(rows["one"])
            copy.close()
    finally:
        ended.set()
        writer.join()
    assert len(seen) > 5


def test_nothing_of_a_library_that_is_only_read_can_be_changed(
    library: Library, disk: Path, opus: Path
) -> None:
    root = disk / "library"
    Library(root).close()
    make_read_only(disk)
    with pytest.raises(ReadOnly):
        Library(root)
    reading = Library(root, "read")
    with pytest.raises(ReadOnly):
        reading.listen_port()
    with pytest.raises(ReadOnly), reading.atomically():
        raise AssertionError("it was begun")
    with pytest.raises(ReadOnly):
        reading.feed_items.mark_heard("abcd0001")
    assert reading.memos() == []
    reading.close()
