"""What crashed or interrupted processes left behind, and how it gets into the library after all."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from helpers.kept_memo import keep
from helpers.mounted_folder import mounted
from memocast.audio import recording_file
from memocast.audio.refusals import damaged, missing_decoder, takes_too_much
from memocast.errors import LibraryError, MemocastError
from memocast.formats.memo import now
from memocast.library.draft import Draft, NewMemo
from memocast.library.library import Library
from memocast.library.recovery import adopt
from memocast.library.staging import Staging

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from helpers.memocast_user import Memocast
    from memocast.library.staging import StagingEntry


def adopted(library: Library) -> list[str]:
    """What recovery says that it did."""
    said: list[str] = []
    adopt(library, said.append)
    return said


def test_a_crash_between_the_file_and_the_row_is_undone_once(library: Library, opus: Path) -> None:
    entry = library.staging.create("recording")
    draft = library.draft("Almost kept", "", "opus", "recorded")
    entry.note(draft.to_facts())
    # Exactly what `keep` has done when the power fails before the row is written.
    target = library.root / "memos" / f"{draft.id}.opus"
    target.write_bytes(opus.read_bytes())
    entry.release()
    assert adopted(library) == [
        f"recovered an unfinished recording as memo {draft.id}: Almost kept"
    ]
    assert target.read_bytes() == opus.read_bytes()
    assert adopted(library) == []
    assert not list((library.root / "incoming").glob("recording-*"))


def test_an_interruption_right_after_the_row_loses_nothing(
    library: Library, opus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = library.staging.create("recording")
    draft = library.draft("Almost", "", "opus", "recorded")
    entry.audio("opus").write_bytes(opus.read_bytes())
    insert = library._insert

    def interrupted(*arguments: object) -> str:
        insert(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "_insert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        library.keep(entry, NewMemo(draft, 5000, b"\1"))
    entry.release()
    assert adopted(library) == []
    assert [memo.title for memo in library.memos()] == ["Almost"]
    assert library.path(library.get(draft.id)).read_bytes() == opus.read_bytes()


def test_a_memo_whose_audio_was_moved_back_gets_it_again(library: Library, opus: Path) -> None:
    entry = library.staging.create("recording")
    draft = library.draft("Kept", "", "opus", "recorded")
    entry.note(draft.to_facts())
    entry.audio("opus").write_bytes(opus.read_bytes())
    library.keep(entry, NewMemo(draft, 5000, b"\1"))
    # As an interrupt right after the row does: the file goes back to where it was staged.
    again = library.staging.create("recording")
    again.note(draft.to_facts())
    kept = library.path(library.get(draft.id))
    kept.rename(again.audio("opus"))
    again.release()
    assert adopted(library) == []
    assert kept.read_bytes() == opus.read_bytes()
    assert [memo.id for memo in library.memos()] == [draft.id]
    assert not list((library.root / "incoming").glob("recording-*"))


def test_a_recording_whose_notes_cannot_be_read_is_kept(library: Library, opus: Path) -> None:
    entry = library.staging.create("recording")
    (entry.folder / "entry.json").write_text("{torn")
    entry.audio("opus").write_bytes(opus.read_bytes())
    entry.release()
    assert len(adopted(library)) == 1
    assert library.memos()[0].duration > 1000


def test_notes_of_a_later_version_are_read_for_what_is_known(library: Library, opus: Path) -> None:
    entry = library.staging.create("recording")
    draft = library.draft("From the future", "", "opus", "recorded")
    entry.note({**draft.to_facts(), "channel": "x"})
    entry.audio("opus").write_bytes(opus.read_bytes())
    entry.release()
    adopted(library)
    assert [memo.title for memo in library.memos()] == ["From the future"]


@pytest.mark.parametrize("format_", ["opus", "flac", "wav"])
def test_a_recording_that_died_before_its_first_sound_leaves_nothing(
    library: Library, format_: str
) -> None:
    # Dies with the file open, as kill -9 would have it.
    code = (
        "import os, sys; from pathlib import Path; from memocast.audio import recording_file;"
        "file = recording_file.writer(Path(sys.argv[1]), sys.argv[2], 48000);"
        "os.kill(os.getpid(), 9)"
    )
    entry = library.staging.create("recording")
    entry.note(library.draft("Silent", "", format_, "recorded").to_facts())
    path = entry.audio(format_)
    subprocess.run([sys.executable, "-c", code, path, format_], check=False)
    assert path.exists()
    entry.release()
    assert adopted(library) == []
    assert library.memos() == []
    assert [found.name for found in (library.root / "incoming").iterdir()] == [".gate"]


def speaking(rate: int = 48_000) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """A second of sound, as decoders yield it."""
    yield rate, np.full((rate, 1), 0.25, np.float32)


def abandoned(library: Library, title: str, flac: Path) -> StagingEntry:
    """A FLAC recording whose process has died."""
    entry = library.staging.create("recording")
    entry.note(library.draft(title, "", "flac", "recorded").to_facts())
    entry.audio("flac").write_bytes(flac.read_bytes())
    entry.release()
    return entry


@pytest.mark.parametrize("heard", [speaking, lambda: iter(())], ids=["in the middle", "at once"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        takes_too_much("audio.flac"),
        missing_decoder("audio.flac", "soundfile"),
        MemocastError("a process that reads untrusted data was stopped"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_recording_whose_decoder_fails_is_kept_unchanged_for_later(
    library: Library, flac: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, heard: Any
) -> None:
    entry = abandoned(library, "Precious", flac)

    def failing(*_: object, **__: object) -> Iterator[object]:
        yield from heard()
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(recording_file, "blocks", failing)
        (said,) = adopted(library)
    assert "could not be kept" in said
    assert entry.audio("flac").read_bytes() == flac.read_bytes()
    assert not list(entry.folder.glob("*.mended"))
    assert len(adopted(library)) == 1
    assert [memo.title for memo in library.memos()] == ["Precious"]


def test_a_recording_that_is_damaged_in_the_middle_is_kept_up_to_there(
    library: Library, flac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    abandoned(library, "Half", flac)

    def failing(*_: object, **__: object) -> Iterator[object]:
        yield from speaking()
        raise damaged("audio.flac")

    monkeypatch.setattr(recording_file, "blocks", failing)
    adopted(library)
    assert [memo.duration for memo in library.memos()] == [1_000]


@pytest.mark.parametrize("format_", ["opus", "flac", "wav"])
def test_a_recording_whose_beginning_is_damaged_is_not_taken_for_silent(
    library: Library, format_: str
) -> None:
    """A crash of the system can leave zeros where the first sector was."""
    entry = library.staging.create("recording")
    entry.note(library.draft("Torn", "", format_, "recorded").to_facts())
    torn = bytes(4_096) + os.urandom(100_000)
    entry.audio(format_).write_bytes(torn)
    entry.release()
    (said,) = adopted(library)
    assert "is damaged" in said
    assert entry.audio(format_).read_bytes() == torn


def test_a_crash_after_the_row_leaves_one_memo(library: Library, opus: Path) -> None:
    memo = library.get(keep(library, opus))
    entry = library.staging.create("recording")
    entry.note(Draft(memo.id, "again", "", now(), "opus", "recorded").to_facts())
    entry.release()
    assert adopted(library) == []
    assert [found.title for found in library.memos()] == ["A memo"]
    assert not list((library.root / "incoming").glob("recording-*"))


def test_a_download_that_was_kept_goes_and_another_waits_for_its_fetch(
    library: Library, opus: Path
) -> None:
    memo = library.get(keep(library, opus))
    kept, begun = (library.staging.download(number * 40) for number in "12")
    assert kept and begun
    kept.note(Draft(memo.id, "A memo", "", now(), "opus", "fetched").to_facts())
    for entry in (kept, begun):
        entry.release()
    assert adopted(library) == []
    assert library.path(memo).read_bytes() == opus.read_bytes()
    left = {found.name for found in (library.root / "incoming").iterdir()}
    assert left == {".gate", begun.folder.name}


def test_an_entry_in_use_is_never_touched(library: Library, opus: Path) -> None:
    entry = library.staging.create("recording")
    entry.note(library.draft("In progress", "", "opus", "recorded").to_facts())
    entry.audio("opus").write_bytes(opus.read_bytes())
    other = Library(library.root)
    assert adopted(other) == []
    other.close()
    entry.release()
    assert len(adopted(library)) == 1
    assert [memo.title for memo in library.memos()] == ["In progress"]


def test_an_add_that_was_killed_leaves_nothing(library: Library, opus: Path) -> None:
    entry = library.staging.create("import")
    entry.audio("opus").write_bytes(opus.read_bytes()[:1000])
    entry.release()
    assert adopted(library) == []
    assert [path.name for path in (library.root / "incoming").iterdir()] == [".gate"]


def test_an_unlocked_download_stays_for_the_next_fetch(library: Library) -> None:
    entry = library.staging.download("ab" * 20)
    assert entry is not None
    (entry.folder / "audio").write_bytes(b"part")
    assert Staging(library.root / "incoming").download("ab" * 20) is None, "it is in use"
    entry.release()
    assert adopted(library) == []
    again = library.staging.download("ab" * 20)
    assert again is not None
    assert (again.folder / "audio").read_bytes() == b"part"
    again.discard()


def test_a_download_has_one_owner_at_a_time_and_none_is_in_anothers_way(tmp_path: Path) -> None:
    owners = 0

    def own_it_often() -> int:
        nonlocal owners
        incoming = Staging(tmp_path)  # as another process has it: locks are of open files
        times = 0
        for _ in range(200):
            entry = incoming.download("ab" * 20)
            if entry:
                owners += 1
                assert owners == 1
                for number in range(5):
                    (entry.folder / f"part {number}").touch()
                owners -= 1
                entry.discard()
                times += 1
        return times

    with ThreadPoolExecutor(4) as pool:
        fetches = [pool.submit(own_it_often) for _ in range(4)]
        assert sum(fetch.result(timeout=60) for fetch in fetches) > 0
    assert [path.name for path in tmp_path.iterdir()] == [".gate"]


def test_two_processes_adopt_a_recording_once(anna: Memocast, opus: Path) -> None:
    anna.run("list")
    library = Library(anna.library)
    for number in range(3):
        entry = library.staging.create("recording")
        draft = library.draft(f"Left {number}", "", "opus", "recorded")
        entry.note(draft.to_facts())
        entry.audio("opus").write_bytes(opus.read_bytes())
        entry.release()
    library.close()
    processes = [anna.start("list") for _ in range(4)]
    notes = "".join(process.communicate(timeout=30)[1] for process in processes)
    assert notes.count("recovered an unfinished recording") == 3
    assert len(anna.run("list").lines) == 3


def test_recovery_without_room_keeps_the_recording_for_later(
    anna: Memocast, tmp_path: Path
) -> None:
    import soundfile

    with mounted(tmp_path / "small", "4m") as small:
        cramped = anna.with_(MEMOCAST_LIBRARY=str(small / "library"))
        cramped.run("list")
        library = Library(small / "library")
        entry = library.staging.create("recording")
        entry.note(library.draft("Long", "", "flac", "recorded").to_facts())
        noise = np.random.default_rng(3).normal(0, 4000, 1_000_000).astype(np.int16)
        soundfile.write(entry.audio("flac"), noise, 48_000)
        entry.release()
        library.close()
        before = entry.audio("flac").read_bytes()
        (small / "fill").write_bytes(bytes(1_500_000))
        refused = cramped.run("list")
        assert refused.out == ""
        assert "could not be kept" in refused.err
        assert entry.audio("flac").read_bytes() == before
        (small / "fill").unlink()
        assert "recovered an unfinished recording" in cramped.run("list").err
        assert cramped.show()["duration"] == pytest.approx(1_000_000 / 48_000, abs=0.001)


def test_a_memo_that_cannot_get_its_row_leaves_no_file(library: Library, opus: Path) -> None:
    entry = library.staging.create("import")
    draft = library.draft("No row", "", "opus", "added")
    entry.audio("opus").write_bytes(opus.read_bytes())
    other = sqlite3.connect(library.database_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    library._database.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(LibraryError, match="is locked by another program"):
        library.keep(entry, NewMemo(draft, 1, b"\1"))
    other.execute("ROLLBACK")
    other.close()
    assert list(library.audio_folder.iterdir()) == []
    entry.release()
    assert len(adopted(library)) == 1, "what was whole is not lost"


def test_what_memocast_left_half_written_goes_and_what_is_the_users_stays(
    library: Library,
) -> None:
    ours = [".memocast-0123456789abcdef.part", "seeder.json.4711.part"]
    theirs = ["film.mkv.part", ".memocast-.part", "notes.4711.part", "seeder.json.part"]
    for name in ours + theirs:
        (library.root / name).write_bytes(b"half")
        os.utime(library.root / name, (0, 0))
    just_now = library.root / ".memocast-fedcba9876543210.part"
    just_now.write_bytes(b"half")
    assert adopted(library) == []
    left = {path.name for path in library.root.iterdir() if path.suffix == ".part"}
    assert left == {*theirs, just_now.name}


def test_strange_things_in_incoming_are_left_alone(library: Library) -> None:
    (library.root / "incoming" / "recording-note.txt").write_text("mine")
    (library.root / "incoming" / "elsewhere").mkdir()
    assert adopted(library) == []
    assert (library.root / "incoming" / "recording-note.txt").read_text() == "mine"
