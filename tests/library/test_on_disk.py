"""What a command acknowledged is on the disk: contents before names, and names before the row.

A file whose content is not on disk when it gets its name is empty after a power failure; a row that
is written before the name leads to no file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from helpers.channel_commands import create
from helpers.shared_memo import address_of
from helpers.system_calls import traced
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast

CALLS = "fsync,fdatasync,rename,renameat,renameat2,link,linkat"
FOLDERS = ("memos", "sealed", "feeds")
"""Of the library, whose files rows lead to."""


def assert_in_order(user: Memocast, command: list[str], names: list[str]) -> None:
    """Assert that it puts files of these folders in place, each on disk before and after that."""
    put: list[str] = []
    synced: set[str] = set()
    waiting: set[str] = set()  # folders that have a new name which is not on disk yet
    uncommitted: list[str] = []
    for call in traced(user, CALLS, command):
        if " = -1 " in call:
            continue
        paths = [path for path in re.findall(r'[<"](/[^">]*)[>"]', call) if "library" in path]
        if call.startswith(("fsync", "fdatasync")):
            (path,) = paths or [""]
            synced.add(path)
            if path.endswith("library.db-wal"):
                assert not waiting, f"the row of {waiting} is on disk before its name"
                uncommitted.clear()
            waiting.discard(path)
        elif paths:
            source, target = paths[0], paths[-1]
            folder, _, name = target.rpartition("/")
            if folder.rpartition("/")[2] in FOLDERS:
                assert source in synced, f"{name} has a name, and its content is not on disk"
                put.append(folder.rpartition("/")[2])
                waiting.add(folder)
                uncommitted.append(name)
    assert not uncommitted, f"{uncommitted} are told of, and no row of them is on disk"
    assert sorted(put) == sorted(names)


@pytest.fixture
def link(anna: Memocast, opus: Path) -> str:
    """A link that leads to a memo of Anna's."""
    memo = anna.add(opus)
    return anna.run("share", memo, "--direct").out.strip()


def test_a_file_that_was_added(ben: Memocast, opus: Path) -> None:
    assert_in_order(ben, ["add", str(opus)], ["memos"])


def test_a_memo_that_was_fetched(ben: Memocast, link: str) -> None:
    assert_in_order(ben, ["fetch", link], ["memos"])


def test_a_private_memo_that_was_shared_and_fetched(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    memo = anna.add(opus)
    quiet = anna.with_(MEMOCAST_AUTOSTART="false")
    assert_in_order(quiet, ["share", memo, "--private"], ["sealed"])
    link = anna.run("share", memo, "--private", "--direct").out.strip()
    assert address_of(anna)
    assert_in_order(ben, ["fetch", link], ["memos", "sealed"])


@pytest.mark.long
def test_the_pages_of_a_channel_and_what_they_list(
    someone: Callable[[str], Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = create(anna)
    memo = anna.add(opus)
    # strace would follow a seeder that publishing starts.
    quiet = anna.with_(MEMOCAST_AUTOSTART="false")
    assert_in_order(quiet, ["channel", "publish", memo], ["feeds"])
    anna.run("seed", "--background")
    ben.run("follow", link)
    assert_in_order(ben, ["sync"], ["memos", "feeds"])


@pytest.mark.long
def test_a_recording(speaking_anna: Memocast) -> None:
    assert_in_order(speaking_anna, ["record", "--duration", "1s"], ["memos"])


@pytest.mark.parametrize("format_", ["opus", "flac"])
def test_a_recording_that_was_cut_off(
    anna: Memocast, request: pytest.FixtureRequest, format_: str
) -> None:
    sound: Path = request.getfixturevalue(format_)
    anna.run("list")
    library = Library(anna.library)
    entry = library.staging.create("recording")
    entry.note(library.draft("Cut off", "", format_, "recorded").to_facts())
    entry.audio(format_).write_bytes(sound.read_bytes()[:-100])
    entry.release()
    library.close()
    assert_in_order(anna, ["list"], ["memos"])


def test_a_copy_of_the_database_and_a_database_that_was_rebuilt_from_it(
    anna: Memocast, opus: Path
) -> None:
    calls = traced(anna, CALLS, ["add", str(opus)])
    assert_complete_when_named(calls, anna.library / "backups/1.db")
    (anna.library / "library.db").write_bytes(b"It was overwritten." * 1000)
    calls = traced(anna, CALLS, ["doctor", "--repair"])
    put = assert_complete_when_named(calls, anna.library / "library.db")
    assert is_sync_of(str(anna.library), calls[put + 1]), "the folder, which has the name"
    assert [memo["title"] for memo in anna.run("list", "--json").json] == ["speech"]


def assert_complete_when_named(calls: list[str], name: Path) -> int:
    """Assert that a file's content was on disk when it got its name; return which call that was."""
    for number, call in enumerate(calls):
        renamed = re.match(rf'rename\("([^"]+)", "{re.escape(str(name))}"\) += 0', call)
        if renamed:
            assert any(is_sync_of(renamed[1], earlier) for earlier in calls[:number])
            return number
    raise AssertionError(f"nothing was renamed to {name}")


def is_sync_of(path: str, call: str) -> bool:
    return call.startswith(("fsync", "fdatasync")) and f"<{path}>)" in call
