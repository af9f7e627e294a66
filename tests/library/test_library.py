"""The library on disk: any number of processes, crashes at any moment, and what it refuses."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from helpers.kept_memo import keep
from helpers.mounted_folder import mounted
from memocast.errors import LibraryError, MemocastError, NoSuchMemo
from memocast.formats.memo import now
from memocast.formats.share import Share
from memocast.formats.torrent import make
from memocast.library.library import Library
from memocast.library.tables.schema import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast


def test_the_layout_is_the_documented_one(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    assert sorted(path.name for path in anna.library.iterdir()) == [
        "backups",
        "feeds",
        "incoming",
        "library.db",
        "log",
        "memos",
        "reserve",
        "sealed",
    ]
    assert anna.library.stat().st_mode & 0o777 == 0o700
    assert (anna.library / "library.db").stat().st_mode & 0o777 == 0o600
    assert (anna.library / "backups" / "1.db").stat().st_mode & 0o777 == 0o600
    (audio,) = (anna.library / "memos").iterdir()
    assert audio.name == f"{memo}.opus"
    assert audio.read_bytes() == opus.read_bytes()
    database = sqlite3.connect(anna.library / "library.db")
    assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_many_processes_use_one_library_at_once(anna: Memocast, opus: Path) -> None:
    def add_and_edit(number: int) -> str:
        memo = anna.add(opus, title=f"Memo {number}")
        anna.run("edit", memo, "--title", f"Edited {number}")
        anna.run("list")
        return memo

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(add_and_edit, range(12)))
    listed = anna.run("list", "--json").json
    assert {memo["id"] for memo in listed} == set(ids)
    assert {memo["title"] for memo in listed} == {f"Edited {number}" for number in range(12)}
    assert [path.name for path in (anna.library / "incoming").iterdir()] == [".gate"]


def test_ids_prefixes_and_latest(library: Library, opus: Path) -> None:
    keep(library, opus, id="abcd0001")
    keep(library, opus, id="abcd0002")
    keep(library, opus, id="zzzz0003")
    assert library.get("ABCD0001").id == "abcd0001"
    assert library.get("z").id == "zzzz0003"
    assert library.get("latest").id == "zzzz0003"
    with pytest.raises(NoSuchMemo, match=r"'abcd' matches 2 memos: abcd000[12], abcd000[12]$"):
        library.get("abcd")
    for reference in ("q", "", "%", "abcd0001x", "\udcff" * 8, "\0" * 8):
        with pytest.raises(NoSuchMemo):
            library.get(reference)


def test_queries_match_title_and_description_whatever_the_case(
    library: Library, opus: Path
) -> None:
    keep(library, opus, "Straße nach Ulm")
    keep(library, opus, "Other", description="about ÜBERRASCHUNG")
    assert [memo.title for memo in library.memos("STRASSE")] == ["Straße nach Ulm"]
    assert [memo.title for memo in library.memos("überr")] == ["Other"]
    assert library.memos("100%") == []
    assert len(library.memos(limit=1)) == 1


def test_a_memo_whose_file_is_gone_is_no_memo(library: Library, opus: Path) -> None:
    memo = library.get(keep(library, opus))
    library.path(memo).unlink()
    assert library.memos() == []
    with pytest.raises(NoSuchMemo):
        library.get(memo.id)


def test_two_memos_of_one_torrent_cannot_both_be_shared(library: Library, opus: Path) -> None:
    moment = now()
    one, two = (library.get(keep(library, opus, created=moment)) for _ in range(2))
    torrent = make(one, library.path(one))
    assert torrent == make(two, library.path(two))
    library.shares.add(one, Share(torrent, shared=True))
    with pytest.raises(MemocastError, match=f"the same torrent as memo {one.id}"):
        library.shares.add(two, Share(torrent, shared=True))


@pytest.mark.parametrize("came_by_a_link", [False, True])
def test_a_file_that_was_touched_is_intact_and_one_that_was_changed_is_not(
    library: Library, opus: Path, came_by_a_link: bool
) -> None:
    memo = library.get(keep(library, opus))
    if came_by_a_link:
        torrent = make(memo, library.path(memo))
        memo = library.get(keep(library, opus, share=Share(torrent, arrived=True)))
        assert memo.info_hash
    path = library.path(memo)
    os.utime(path, (1, 1))
    assert library.seedables.is_intact(memo)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    assert not library.seedables.is_intact(memo)


def test_a_newer_library_is_refused_untouched(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    database = sqlite3.connect(anna.library / "library.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = (anna.library / "library.db").read_bytes()
    result = anna.run("list", expect=8)
    assert "was written by a newer memocast (schema 99)" in result.err
    assert "hint: upgrade memocast" in result.err
    assert (anna.library / "library.db").read_bytes() == before


@pytest.mark.parametrize(
    ("source", "inside", "public_only"),
    [
        ("https://show.example/feed", "false", True),
        ("http://nas.lan/feed", "true", False),
        ("/home/anna/feed.xml", "", False),
    ],
)
def test_an_older_librarys_episodes_of_public_podcasts_lead_nowhere_inside(
    tmp_path: Path, opus: Path, source: str, inside: str, public_only: bool
) -> None:
    with closing(Library(tmp_path / "library")) as library:
        own = library.get(keep(library, opus, id="abcd0001"))
        library.shares.add(own, Share(make(own, library.path(own)), arrived=True))
        memo = library.get(keep(library, opus, "An episode"))
        library.shares.add(memo, Share(make(memo, library.path(memo)), arrived=True))
    with closing(sqlite3.connect(tmp_path / "library" / "library.db")) as database, database:
        state = f'{{"url": "", "inside": {inside}}}' if inside else "[1, 2]"
        database.execute(
            "INSERT INTO channel (number, key, salt, name, secret, age, trackers, source, state,"
            " newest, max_size, keep_days)"
            " VALUES (1, x'', x'', 'A show', x'', '', '', ?, ?, 0, 0, 0)",
            (source, state),
        )
        database.execute(
            "INSERT INTO item"
            " (channel, id, title, text, published, link, mime, bytes, duration, memo)"
            " VALUES (1, 'id', '', '', 0, '', '', 0, 0, ?)",
            (memo.id,),
        )
        database.execute("ALTER TABLE torrent DROP COLUMN public_only")
        database.execute("PRAGMA user_version = 6")
    with closing(Library(tmp_path / "library")) as library:
        found = {each.memo: each.public_only for each in library.seedables.all(fetched=True)}
        assert found == {own.id: False, memo.id: public_only}
        (share,) = library.shares.of(memo)
        assert share.torrent.public_only is public_only


def test_a_damaged_database_is_exit_8_and_the_audio_is_safe(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    (anna.library / "library.db").write_bytes(b"not a database at all" * 500)
    (audio,) = (anna.library / "memos").iterdir()
    result = anna.run("list", expect=8)
    assert "database" in result.err
    assert "your audio is safe in 'memos'" in result.err
    assert audio.read_bytes() == opus.read_bytes()


def test_a_locked_database_is_exit_8(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(library.database_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    library._database.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(LibraryError, match="is locked by another program"):
        library.listen_port()
    other.execute("ROLLBACK")
    other.close()


def test_ctrl_c_while_another_process_writes_leaves_nothing_begun(library: Library) -> None:
    """The next change would be part of what was begun, and be lost with it."""
    path = library.root / "library.db"
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        threading.Timer(0.6, other.execute, ["ROLLBACK"]).start()
        with pytest.raises(KeyboardInterrupt), library.atomically():
            pytest.fail("it did not wait")
        other.execute("BEGIN IMMEDIATE")


def test_a_full_disk_is_exit_8_and_nothing_is_left(
    anna: Memocast, flac: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "600k") as small:
        cramped = anna.with_(MEMOCAST_LIBRARY=str(small / "library"))
        cramped.run("list")
        result = cramped.run("add", str(flac), str(flac), str(flac), str(flac), expect=8)
        assert "the disk is full" in result.err
        kept = cramped.run("list").lines
        assert len(kept) == len(result.lines)
        assert [path.name for path in (small / "library/incoming").iterdir()] == [".gate"]


def test_a_full_disk_is_called_full_and_never_damaged(
    anna: Memocast, flac: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "3m") as small:
        cramped = anna.with_(MEMOCAST_LIBRARY=str(small / "library"))
        memo = cramped.add(flac)
        subprocess.run(["sh", "-c", f"cat /dev/zero >{small}/fill"], check=False, stderr=-3)
        for command in (["list"], ["edit", memo, "--title", "x" * 200], ["add", str(flac)]):
            result = cramped.run(*command, expect=None)
            assert "damaged" not in result.err
            if result.code:
                assert result.code == 8
                assert "the disk is full" in result.err
        (small / "fill").unlink()
        assert cramped.run("list").lines


def test_edits_of_title_and_description_do_not_undo_each_other(
    library: Library, opus: Path
) -> None:
    before = library.get(keep(library, opus))
    library.edit(before, "New title", None)
    library.edit(before, None, "New description")
    after = library.get(before.id)
    assert (after.title, after.description) == ("New title", "New description")


def test_a_read_only_library_is_exit_8(anna: Memocast, opus: Path, tmp_path: Path) -> None:
    # A read-only mount stops root as well; permissions would not.
    with mounted(tmp_path / "disk", "5m") as disk:
        user = anna.with_(MEMOCAST_LIBRARY=str(disk / "library"))
        memo = user.add(opus)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for command in (["add", str(opus)], ["remove", memo, "--yes"], ["seed"]):
            result = user.run(*command, expect=8)
            assert result.out == ""
            assert "the folder is read-only" in result.err
            assert "memocast: hint: " in result.err


def test_a_library_path_that_is_a_file_is_exit_8(anna: Memocast) -> None:
    (anna.home / "file").write_text("mine")
    result = anna.run("--library", str(anna.home / "file"), "list", expect=8)
    assert "memocast: hint: " in result.err
    assert (anna.home / "file").read_text() == "mine"


def test_the_listen_port_is_chosen_once_and_kept(library: Library) -> None:
    port = library.listen_port()
    assert 20_000 <= port < 32_768, "below the ports that systems hand out by themselves"
    assert library.listen_port() == port
    other = Library(library.root)
    assert other.listen_port() == port
    other.close()
