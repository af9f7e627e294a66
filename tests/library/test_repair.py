"""A library that was damaged: said, never made worse, and rebuilt from what is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from helpers.kept_memo import keep
from helpers.processes import running
from helpers.repository import TESTS
from helpers.shared_memo import info_hash
from helpers.waiting import wait_for
from memocast.errors import LibraryError
from memocast.library.repair import repair

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from memocast.library.library import Library

FIRST_SCHEMA = TESTS / "data" / "library-1"


def titles(user: Memocast) -> set[str]:
    return {memo["title"] for memo in user.run("list", "--json").json}


def overwrite_the_header(database: Path) -> None:
    with database.open("r+b") as file:
        file.write(b"not a database at all")


def cut_in_half(database: Path) -> None:
    with database.open("r+b") as file:
        file.truncate(database.stat().st_size // 2)


def scribble_over_every_page(database: Path) -> None:
    with database.open("r+b") as file:
        for start in range(4096, database.stat().st_size, 4096):
            file.seek(start)
            file.write(b"\xa5" * 2000)


def empty(database: Path) -> None:
    database.write_bytes(b"")


def delete(database: Path) -> None:
    database.unlink()


DAMAGES = [overwrite_the_header, cut_in_half, scribble_over_every_page, empty, delete]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "log" not in path.parts
    }


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_said_changes_nothing_and_is_repaired_from_the_copy(
    anna: Memocast, opus: Path, damage: Callable[[Path], None]
) -> None:
    memo = anna.add(opus, title="Precious", description="as it was")
    link = anna.run("share", memo, "--no-seed").out
    anna.run("edit", memo, "--title", "More precious")
    database = anna.library / "library.db"
    damage(database)
    before = files(anna.library)
    for command in (["list"], ["add", str(opus)], ["share", "latest", "--no-seed"], ["seed"]):
        refused = anna.run(*command, expect=8)
        assert refused.out == ""
        assert f"the library's database {database} is damaged" in refused.err
        assert "hint: your audio is safe in 'memos'" in refused.err
        assert "memocast doctor --repair" in refused.err
    after = files(anna.library)
    assert {name: after.get(name) for name in before} == before
    repaired = anna.run("doctor", "--repair")
    assert "took its place" in repaired.err
    assert all(line.startswith("ok\t") for line in repaired.lines), repaired
    shown = anna.show(memo)
    assert (shown["title"], shown["description"]) == ("More precious", "as it was")
    assert anna.run("share", memo, "--no-seed").out == link
    assert anna.audio(memo).read_bytes() == opus.read_bytes()
    if damage is not delete:
        (aside,) = (anna.library / "damaged").iterdir()
        assert (aside / "library.db").read_bytes() == before["library.db"]
        assert str(aside) in repaired.err


def test_without_any_copy_the_audio_files_become_memos_again(anna: Memocast, opus: Path) -> None:
    plain = anna.add(opus, title="Only the database knew this")
    anna.run("export", plain, "-o", "tagged.opus", "--tags")
    tagged = anna.add(anna.home / "tagged.opus", title="Something else")
    shutil.rmtree(anna.library / "backups")
    overwrite_the_header(anna.library / "library.db")
    repaired = anna.run("doctor", "--repair")
    assert "there is no copy of it" in repaired.err
    assert anna.show(tagged)["title"] == "Only the database knew this", "its tags say so"
    assert anna.show(plain)["origin"] == "added"
    assert anna.show(plain)["duration"] == pytest.approx(anna.show(tagged)["duration"], abs=0.01)
    for memo in (plain, tagged):
        assert f"memo {memo} was rebuilt from its audio file" in repaired.err


def test_what_came_after_the_copy_is_found_in_the_audio_files(anna: Memocast, opus: Path) -> None:
    first = anna.add(opus, title="In the copy")
    copy = (anna.library / "backups" / "1.db").read_bytes()
    second = anna.add(opus, title="After the copy")
    (anna.library / "backups" / "1.db").write_bytes(copy)
    cut_in_half(anna.library / "library.db")
    repaired = anna.run("doctor", "--repair")
    assert f"memo {second} was rebuilt from its audio file" in repaired.err
    assert anna.show(first)["title"] == "In the copy"
    assert anna.audio(second).read_bytes() == opus.read_bytes()


def test_a_damaged_copy_is_passed_over(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title="Safe")
    backups = anna.library / "backups"
    shutil.copy(backups / "1.db", backups / "2.db")
    overwrite_the_header(backups / "1.db")
    delete(anna.library / "library.db")
    anna.run("doctor", "--repair")
    assert titles(anna) == {"Safe"}


def test_repair_of_a_sound_library_changes_nothing(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title="Fine")
    before = anna.snapshot()
    repaired = anna.run("doctor", "--repair")
    assert repaired.err == ""
    assert anna.snapshot() == before
    assert not (anna.library / "damaged").exists()


def test_repair_is_refused_while_somebody_uses_the_library(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    anna.run("seed", "--background")
    refused = anna.run("doctor", "--repair", expect=8)
    assert "hint: stop the seeder first: memocast seed --stop" in refused.err
    anna.run("seed", "--stop")
    slow = anna.start("fetch", "ab" * 20, "--timeout", "60")
    with running(slow):
        incoming = anna.library / "incoming"
        wait_for("the fetch", lambda: list(incoming.glob("download-*/lock")))
        overwrite_the_header(anna.library / "library.db")
        refused = anna.run("doctor", "--repair", expect=8)
    assert "a recording or a fetch is in progress" in refused.err
    assert (anna.library / "library.db").exists()


def test_missing_changed_and_unknown_files_are_explained_and_left_alone(
    anna: Memocast, opus: Path, flac: Path
) -> None:
    missing, changed, kept = (anna.add(path) for path in (opus, flac, opus))
    gone = anna.audio(missing)
    gone.unlink()
    anna.audio(changed).write_bytes(flac.read_bytes()[:-1] + b"\0")
    os.utime(anna.audio(kept), (1, 1))  # touched only: its content is the same
    (anna.library / "memos" / "holiday.jpg").write_bytes(b"\xff\xd8")
    before = files(anna.library / "memos")
    found = {f["check"]: f for f in anna.run("doctor", "--json", expect=1).json}
    assert f"1 file is missing from 'memos': {gone.name}" in found["missing audio"]["detail"]
    assert f"is no longer what memocast stored: {changed}" in found["changed audio"]["detail"]
    assert "holiday.jpg" in found["unknown files"]["detail"]
    assert all(found[name]["fix"] for name in ("missing audio", "changed audio", "unknown files"))
    repaired = anna.run("doctor", "--repair", expect=1)
    assert "problem\tunknown files" in repaired.out
    assert files(anna.library / "memos") == before
    assert f"memocast remove {missing}" in found["missing audio"]["fix"]
    shutil.copy(opus, gone)
    found = {f["check"]: f for f in anna.run("doctor", "--json", expect=1).json}
    assert "missing audio" not in found
    assert anna.show(missing)["id"] == missing
    gone.unlink()
    anna.run("remove", missing[:7], "--yes", expect=3)
    anna.run("remove", missing, "--yes")
    found = {f["check"]: f for f in anna.run("doctor", "--json", expect=1).json}
    assert "missing audio" not in found


def test_a_copy_is_at_hand_after_every_change_and_old_ones_rotate(
    anna: Memocast, opus: Path
) -> None:
    memo = anna.add(opus, title="As added")
    backups = anna.library / "backups"
    first = backups / "1.db"
    assert title_in(first, memo) == "As added"
    for age, number in ((2 * 3600, 2), (30 * 3600, 3)):
        now = first.stat().st_mtime
        for path in backups.glob("?.db"):
            os.utime(path, (now - age, now - age))
        anna.run("edit", memo, "--title", f"Edit {number}")
        assert title_in(first, memo) == f"Edit {number}"
        assert (backups / f"{number}.db").exists()
    assert title_in(backups / "2.db", memo) == "Edit 2"
    assert title_in(backups / "3.db", memo) == "As added"


def title_in(database: Path, memo: str) -> Any:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return opened.execute("SELECT title FROM memo WHERE id = ?", (memo,)).fetchone()[0]


def test_a_clock_that_was_set_back_does_not_stop_the_copies(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    copy = anna.library / "backups" / "1.db"
    ahead = copy.stat().st_mtime + 24 * 3600
    os.utime(copy, (ahead, ahead))
    anna.run("edit", memo, "--title", "After the change of the clock")
    assert title_in(copy, memo) == "After the change of the clock"


def test_a_command_that_only_reads_makes_no_copy(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    copy = anna.library / "backups" / "1.db"
    before = copy.stat()
    for path in (copy, anna.library / "library.db"):
        os.utime(path, (before.st_mtime - 60, before.st_mtime - 60))
    anna.run("list")
    assert copy.stat().st_ino == before.st_ino


def test_what_is_written_to_a_database_that_was_replaced_is_refused(
    library: Library, opus: Path
) -> None:
    memo = library.get(keep(library, opus))
    library.back_up()
    library._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite_the_header(library.database_path)
    repair(library.root, lambda _said: None)
    with pytest.raises(LibraryError, match="was replaced while this command ran"):
        library.edit(memo, "Lost", None)


def test_a_date_that_is_no_date_everywhere_is_not_believed(anna: Memocast, flac: Path) -> None:
    import mutagen

    tagged = anna.home / "tagged.flac"
    shutil.copy(flac, tagged)
    file = mutagen.File(tagged)
    file["date"] = "0001-01-01T00:00:00+05:00"
    file.save()
    memo = anna.add(tagged)
    shutil.rmtree(anna.library / "backups")
    delete(anna.library / "library.db")
    anna.run("doctor", "--repair")
    assert anna.show(memo)["created"] > "2020"


def test_a_file_that_cannot_be_deleted_stops_no_other_command(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    path = anna.audio(memo)
    path.unlink()
    path.mkdir()  # deleting it as a file fails
    anna.run("remove", memo, "--yes")
    assert anna.run("list").out == ""
    path.rmdir()
    path.write_bytes(b"")
    anna.run("list")
    assert not path.exists()


def test_damage_is_never_copied_over_a_sound_copy(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus, title="Sound")
    database = sqlite3.connect(anna.library / "library.db", isolation_level=None)
    # An index that lacks an entry: every page reads well, SQLite's check alone finds it.
    database.execute("PRAGMA writable_schema = ON")
    database.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'state'")
    database.close()
    result = anna.run("edit", memo, "--title", "Edited", expect=None)
    assert "is damaged" in result.err
    assert "memocast doctor --repair" in result.err
    assert title_in(anna.library / "backups" / "1.db", memo) == "Sound"
    anna.run("doctor", "--repair")
    assert titles(anna) == {"Sound"}


def test_a_library_of_the_first_schema_opens_and_keeps_its_links(anna: Memocast) -> None:
    shutil.copytree(FIRST_SCHEMA, anna.library)
    assert titles(anna) == {"Grüße from the first release", "Never shared", "From elsewhere"}
    shown = anna.show("tyt9a4y6")
    assert shown["description"] == "two\nlines"
    assert shown["lost"] == 0
    assert (shown["shared"], anna.show("k2rvs4jf")["origin"]) == (True, "fetched")
    link = anna.run("share", "tyt9a4y6", "--no-seed").out
    assert info_hash(link) == "059a1c08bead4593b14d9ff4d6b55a2d678f711a"
    assert "First release" not in anna.run("doctor", expect=None).out
    for memo in FIRST_SCHEMA.glob("memos/*"):
        assert (anna.library / "memos" / memo.name).read_bytes() == memo.read_bytes()


def test_an_interrupted_upgrade_leaves_the_old_schema(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memocast.library.tables import database, schema

    old = tmp_path / "old"
    shutil.copytree(FIRST_SCHEMA, old)
    broken = (
        *schema.MIGRATIONS,
        "ALTER TABLE memo ADD COLUMN x TEXT;\nSELECT nonsense FROM nowhere",
    )
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    with pytest.raises(Exception, match="nowhere"):
        database.Database(old / "library.db")
    with contextlib.closing(sqlite3.connect(old / "library.db")) as opened:
        assert opened.execute("PRAGMA user_version").fetchone() == (1,)
        columns = {row[1] for row in opened.execute("PRAGMA table_info(memo)")}
    assert not columns & {"lost", "x"}
