"""`add`, `list`, `show`, `edit`, `remove` and `export`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import mutagen
import pytest
import soundfile

from helpers.full_or_short import scaled
from helpers.made_sounds import encoded

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

EVIL = "\x1b[31mred\x1b[0m \u202egnp.exe [bold]b[/bold]\a"


def convert(source: Path, target: Path, *options: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-i", source, *options, target], check=True)
    return target


# -- add -----------------------------------------------------------------------


def test_add_keeps_the_bytes_and_tells_the_id(anna: Memocast, opus: Path) -> None:
    result = anna.run("add", str(opus), "--title", "Speech", "-d", "as spoken")
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{8}\n", result.out)
    assert result.err == ""
    memo = anna.show(result.out.strip())
    seconds = soundfile.info(opus).frames / 48_000
    assert memo == {
        "id": result.out.strip(),
        "title": "Speech",
        "description": "as spoken",
        "created": memo["created"],
        "duration": round(seconds, 3),
        "bytes": opus.stat().st_size,
        "format": "opus",
        "origin": "added",
        "shared": False,
        "info_hash": None,
        "lost": 0.0,
        "channel": None,
        "heard": True,
        "peaks": memo["peaks"],
        "shares": [],
    }
    age = datetime.now(UTC) - datetime.fromisoformat(memo["created"])
    assert 0 <= age.total_seconds() < 60
    assert len(memo["peaks"]) == 200
    assert anna.audio().read_bytes() == opus.read_bytes()


def test_the_waveform_is_the_peak_of_each_slice(anna: Memocast, flac: Path) -> None:
    samples, _ = soundfile.read(flac)
    peaks = anna.show(anna.add(flac))["peaks"]
    per_slice = len(samples) / 200
    for index in (0, 50, 100, 199):
        part = samples[int(index * per_slice) : int((index + 1) * per_slice)]
        # Slices end on whole hundredths of a second.
        wide = samples[max(0, int(index * per_slice) - 480) : int((index + 1) * per_slice) + 480]
        assert round(abs(part).max() * 255) - 40 <= peaks[index] <= round(abs(wide).max() * 255) + 1


@pytest.mark.parametrize("extension", ["ogg", "mp3", "aiff", "wav"])
def test_add_reads_what_libsndfile_reads(
    anna: Memocast, speech: Path, tmp_path: Path, extension: str
) -> None:
    path = encoded(speech, tmp_path / f"speech.{extension}")
    memo = anna.show(anna.add(path))
    assert memo["format"] == extension
    assert memo["title"] == "speech"
    assert memo["duration"] == pytest.approx(soundfile.info(speech).duration, abs=0.1)


@pytest.mark.parametrize(
    ("extension", "options"), [("m4a", []), ("webm", ["-c:a", "libopus"]), ("mka", [])]
)
def test_add_reads_phone_and_browser_audio(
    anna: Memocast, speech: Path, tmp_path: Path, extension: str, options: list[str]
) -> None:
    path = convert(speech, tmp_path / f"speech.{extension}", *options)
    memo = anna.show(anna.add(path))
    assert memo["format"] == extension
    assert memo["duration"] == pytest.approx(soundfile.info(speech).duration, abs=0.1)
    assert anna.audio().read_bytes() == path.read_bytes()


def test_where_av_cannot_be_imported_webm_is_refused_with_what_to_do(
    anna: Memocast, speech: Path, tmp_path: Path
) -> None:
    path = convert(speech, tmp_path / "speech.webm", "-c:a", "libopus")
    # A package of that name that cannot be imported, as when it is not installed.
    (tmp_path / "blocked" / "av").mkdir(parents=True)
    (tmp_path / "blocked" / "av" / "__init__.py").write_text("raise ImportError('no av')")
    anna.environment["PYTHONPATH"] = str(tmp_path / "blocked")
    result = anna.run("add", str(path), expect=7)
    assert "needs the package 'av'" in result.err


def test_add_goes_by_content_and_not_by_the_name(
    anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    shutil.copy(opus, tmp_path / "voice.txt")
    assert anna.show(anna.add(tmp_path / "voice.txt"))["format"] == "opus"


def test_add_reads_flac_that_came_through_a_pipe(
    anna: Memocast, speech: Path, tmp_path: Path
) -> None:
    command = ["ffmpeg", "-v", "error", "-i", speech, "-f", "flac", "pipe:1"]
    piped = subprocess.run(command, check=True, capture_output=True).stdout
    (tmp_path / "piped.flac").write_bytes(piped)
    memo = anna.show(anna.add(tmp_path / "piped.flac"))
    assert memo["duration"] == pytest.approx(soundfile.info(speech).duration, abs=0.001)


def test_seeking_in_piped_flac_starts_there_and_plays_nothing_twice(
    speech: Path, tmp_path: Path
) -> None:
    from memocast.audio.decoder import blocks

    command = ["ffmpeg", "-v", "error", "-i", speech, "-f", "flac", "pipe:1"]
    piped = subprocess.run(command, check=True, capture_output=True).stdout
    path = tmp_path / "piped.flac"
    path.write_bytes(piped)
    total = soundfile.info(speech).frames
    for start in (0.0, 1.0, 4.5, 100.0):
        frames = sum(len(block) for _, block in blocks(path, "flac", start))
        # libsndfile keeps the very last frame to itself.
        assert frames == pytest.approx(max(0, total - round(start * 48_000)), abs=1)


def test_piped_flac_that_is_torn_in_the_middle_is_refused(
    anna: Memocast, speech: Path, tmp_path: Path
) -> None:
    command = ["ffmpeg", "-v", "error", "-i", speech, "-f", "flac", "pipe:1"]
    piped = bytearray(subprocess.run(command, check=True, capture_output=True).stdout)
    middle = len(piped) // 2
    piped[middle : middle + 3000] = bytes(3000)
    (tmp_path / "torn.flac").write_bytes(piped)
    assert "torn.flac is damaged" in anna.run("add", str(tmp_path / "torn.flac"), expect=7).err


def test_wav_that_came_through_a_pipe_is_added(anna: Memocast) -> None:
    spoken = subprocess.run(["espeak-ng", "--stdout", "hello"], check=True, capture_output=True)
    memo = anna.run("add", "-", stdin=spoken.stdout).out.strip()
    assert anna.show(memo)["duration"] > 0.3


def test_a_file_name_that_is_not_utf8_is_a_name_all_the_same(
    anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.opus")
    shutil.copy(opus, path)
    memo = anna.show(anna.add(path))
    assert memo["title"] == "caf?"
    elsewhere = anna.with_(MEMOCAST_LIBRARY=str(tmp_path / os.fsdecode(b"library-\xff")))
    assert elsewhere.add(opus)


def test_add_reads_one_file_from_standard_input(anna: Memocast, opus: Path) -> None:
    result = anna.run("add", "-", "--title", "Piped", stdin=opus.read_bytes())
    assert anna.show(result.out.strip())["title"] == "Piped"
    assert anna.audio().read_bytes() == opus.read_bytes()


def test_add_tries_every_file_and_the_first_failure_counts(
    anna: Memocast, opus: Path, flac: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.opus").write_text("hello")
    result = anna.run(
        "add", str(opus), str(tmp_path / "text.opus"), str(flac), "missing", "--json", expect=7
    )
    assert [memo["format"] for memo in result.json] == ["opus", "flac"]
    assert "text.opus is not audio that memocast knows" in result.err
    assert "there is no file 'missing'" in result.err


def test_add_takes_files_with_difficult_names(anna: Memocast, opus: Path, tmp_path: Path) -> None:
    for name in ("lock", "entry.json", "audio.opus", "-", "a\nb.opus", "x" * 250):
        path = tmp_path / name
        shutil.copy(opus, path)
        memo = anna.add(path)
        assert anna.audio(memo).read_bytes() == opus.read_bytes()


# -- list and show -------------------------------------------------------------


def test_list_is_a_line_a_memo_newest_first(anna: Memocast, opus: Path) -> None:
    first = anna.add(opus, title="First")
    second = anna.add(opus, title="tab\tand\nline")
    lines = [line.split("\t") for line in anna.run("list").lines]
    shown = anna.show(first)
    assert lines[1] == [
        first,
        shown["created"],
        f"{shown['duration']:.3f}",
        str(shown["bytes"]),
        "First",
    ]
    assert lines[0][0] == second
    assert lines[0][4] == "tab and line"
    assert [line[:8] for line in anna.run("list", "FIRST").lines] == [first]
    assert [line[:8] for line in anna.run("list", "--limit", "1").lines] == [second]


def test_list_json_is_an_array_without_peaks(anna: Memocast, opus: Path) -> None:
    assert anna.run("list", "--json").json == []
    anna.add(opus)
    (memo,) = anna.run("list", "--json").json
    shown = anna.show()
    del shown["peaks"], shown["shares"]
    assert memo == shown


def test_show_is_key_value_lines_when_piped(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus, title="A title", description="one\ntwo")
    pairs = dict(line.split(": ", 1) for line in anna.run("show", memo).lines if ": " in line)
    assert pairs["title"] == "A title"
    assert pairs["description"] == "one two"
    assert pairs["format"] == "opus"
    assert len(pairs["waveform"]) <= 60


def test_no_control_character_of_a_title_reaches_the_output(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title=EVIL, description=EVIL)
    assert anna.show()["title"] == EVIL, "it is kept as it is"
    for command in (["list"], ["show", "latest"], ["show", "latest", "--json"], ["list", "--json"]):
        result = anna.run(*command)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.out + result.err)
        assert "[bold]b[/bold]" in result.out


# -- edit and remove -----------------------------------------------------------


def test_edit_changes_only_what_is_given(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus, title="Old", description="kept")
    result = anna.run("edit", memo, "--title", "New")
    assert (result.out, result.err) == ("", "")
    assert (anna.show()["title"], anna.show()["description"]) == ("New", "kept")
    changed = anna.run("edit", memo, "-d", "", "--json").json
    assert (changed["title"], changed["description"]) == ("New", "")


@pytest.mark.parametrize(
    "options", [["--title", ""], ["--title", "x" * 301], ["-d", "x" * 8001], []]
)
def test_edit_refuses_what_would_not_fit(anna: Memocast, opus: Path, options: list[str]) -> None:
    anna.add(opus, title="Old")
    result = anna.run("edit", "latest", *options, expect=2)
    assert "memocast: hint: " in result.err
    assert anna.show()["title"] == "Old"


def test_remove_needs_a_yes_when_nobody_can_be_asked(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus)
    result = anna.run("remove", memo, expect=2)
    assert "hint: add --yes" in result.err
    assert anna.run("list").lines
    anna.run("remove", memo, "--yes")
    assert anna.run("list").out == ""
    assert list((anna.library / "memos").iterdir()) == []
    anna.run("remove", memo, "--yes", expect=3)


def test_remove_settles_what_is_meant_before_it_removes(anna: Memocast, opus: Path) -> None:
    ids = [anna.add(opus) for _ in range(3)]
    anna.run("remove", "latest", "latest", "--yes")
    assert {line[:8] for line in anna.run("list").lines} == set(ids[:2])


# -- export --------------------------------------------------------------------


def test_export_writes_the_same_bytes_under_the_title(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title="Plan: A/B")
    result = anna.run("export", "latest")
    assert result.out == "Plan A B.opus\n"
    assert (anna.home / "Plan A B.opus").read_bytes() == opus.read_bytes()


def test_export_never_overwrites_without_force(anna: Memocast, opus: Path) -> None:
    anna.add(opus, title="Taken")
    (anna.home / "Taken.opus").write_text("mine")
    result = anna.run("export", "latest", expect=2)
    assert (result.out, (anna.home / "Taken.opus").read_text()) == ("", "mine")
    assert "overwrite it with --force" in result.err
    anna.run("export", "latest", "--force")
    assert (anna.home / "Taken.opus").read_bytes() == opus.read_bytes()


def test_export_to_a_file_a_directory_and_standard_output(
    anna: Memocast, opus: Path, flac: Path
) -> None:
    (anna.home / "out").mkdir()
    ids = [anna.add(opus, title="One"), anna.add(flac, title="Two")]
    assert anna.run("export", ids[0], "-o", "copy.opus").out == "copy.opus\n"
    assert anna.run("export", *ids, "-o", "out").lines == ["out/One.opus", "out/Two.flac"]
    process = anna.start("export", ids[1], "-o", "-", text=False)
    audio, err = process.communicate(timeout=30)
    assert (audio, err, process.returncode) == (flac.read_bytes(), b"", 0)
    listed = anna.run("export", ids[0], "-o", "again.opus", "--json")
    assert listed.json == [{"id": ids[0], "path": "again.opus"}]


@pytest.mark.parametrize(
    "options",
    [["-o", "nowhere/x.opus"], ["-o", "nowhere/"], ["-o", "-", "--tags"], ["-o", "-", "--json"]],
)
def test_export_refuses_what_cannot_work(anna: Memocast, opus: Path, options: list[str]) -> None:
    anna.add(opus)
    result = anna.run("export", "latest", *options, expect=2)
    assert result.out == ""
    assert list(anna.home.iterdir()) == [anna.library]


def test_export_with_force_replaces_files_and_links_but_nothing_else(
    anna: Memocast, opus: Path
) -> None:
    anna.add(opus)
    os.mkfifo(anna.home / "fifo")
    (anna.home / "real.opus").write_text("old")
    (anna.home / "link.opus").symlink_to("real.opus")
    refused = anna.run("export", "latest", "-o", "fifo", "--force", expect=2)
    assert "'fifo' is not a regular file" in refused.err
    assert (anna.home / "fifo").is_fifo()
    assert "exists" in anna.run("export", "latest", "-o", "link.opus", expect=2).err
    anna.run("export", "latest", "-o", "link.opus", "--force")
    assert not (anna.home / "link.opus").is_symlink()
    assert (anna.home / "link.opus").read_bytes() == opus.read_bytes()
    assert (anna.home / "real.opus").read_text() == "old"


@pytest.mark.parametrize("extension", ["opus", "m4a", "flac", "mp3", "wav"][: scaled(5, 2)])
def test_export_with_tags_leaves_the_audio_as_it_is(
    anna: Memocast, speech: Path, tmp_path: Path, extension: str
) -> None:
    source = convert(speech, tmp_path / f"speech.{extension}")
    memo = anna.add(source, title="Grüße", description="Ein Text")
    path = anna.home / anna.run("export", memo, "--tags").out.strip()
    tags = {**dict(mutagen.File(path).tags), **ffprobe_tags(path)}
    texts = " ".join(str(text) for text in tags.values())
    assert "Grüße" in texts
    assert "Ein Text" in texts
    assert anna.show()["created"][:10] in texts
    if extension != "wav":  # its ID3 chunk is read by fewer programs
        assert ffprobe_tags(path)["title"] == "Grüße"
    assert decoded(path) == decoded(source)
    assert anna.audio().read_bytes() == source.read_bytes(), "the library's own stays untagged"


def decoded(path: Path) -> bytes:
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-"], capture_output=True, check=True
    ).stdout


def ffprobe_tags(path: Path) -> dict[str, str]:
    """The tags as another program reads them."""
    entries = ["-show_entries", "format_tags:stream_tags", "-of", "json"]
    probe = subprocess.run(
        ["ffprobe", "-v", "error", *entries, path], capture_output=True, check=True
    )
    found = json.loads(probe.stdout)
    tags = {**found["format"].get("tags", {}), **found["streams"][0].get("tags", {})}
    return {name.lower(): text for name, text in tags.items()}
