"""`record`, from a real PortAudio device: a virtual microphone that espeak-ng speaks into."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from helpers.full_or_short import scaled
from helpers.heard_sounds import alignment, voice
from helpers.processes import running
from helpers.recording_process import end, staged, start_recording
from helpers.sound_card import start_sound_card
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard


@pytest.mark.parametrize("format_", ["opus", "flac", "wav"][: scaled(3, 1)])
@pytest.mark.long
def test_what_is_recorded_is_what_was_spoken(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path, format_: str
) -> None:
    process = start_recording(speaking_anna, sound_card, "Spoken", "--format", format_)
    with running(process):
        sound_card.say(speech)
        out, err = end(process)
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{8}\n", out)
    assert "kept 0:0" in err
    memo = speaking_anna.show(out.strip())
    recorded, rate = soundfile.read(speaking_anna.audio(out.strip()))
    spoken, _ = soundfile.read(speech)
    lag, correlation = alignment(recorded, spoken)
    assert rate == 48_000
    assert correlation > 0.95
    heard = voice(recorded)
    assert abs(len(heard) - len(voice(spoken))) < 0.1 * rate
    assert memo["format"] == format_
    assert memo["duration"] == pytest.approx(len(recorded) / rate, abs=0.001)
    assert lag >= 0
    assert max(memo["peaks"]) == pytest.approx(np.abs(spoken).max() * 255, abs=26)


def test_a_given_duration_is_kept_to_the_millisecond(speaking_anna: Memocast) -> None:
    memo = speaking_anna.run("record", "--duration", "1.5", "--json").json
    assert memo["duration"] == 1.5
    assert memo["origin"] == "recorded"
    frames = soundfile.info(speaking_anna.audio(memo["id"])).frames
    assert frames == 72_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_recording_and_keeps_it(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path, number: int
) -> None:
    process = start_recording(speaking_anna, sound_card)
    with running(process), running(sound_card.start_saying(speech)):
        path = wait_for("the file", lambda: next(staged(speaking_anna), None))
        wait_for("two seconds of sound", lambda: path.stat().st_size > 14_000)
        out, _ = end(process, number)
    recorded, rate = soundfile.read(speaking_anna.audio(out.strip()))
    spoken, _ = soundfile.read(speech)
    heard = voice(recorded)
    _, correlation = alignment(spoken, heard)
    assert len(heard) > 1.5 * rate
    assert correlation > 0.95
    assert not list((speaking_anna.library / "incoming").glob("recording-*"))


def test_kill_9_loses_at_most_the_last_moment_and_the_next_command_says_so(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path
) -> None:
    process = start_recording(speaking_anna, sound_card, "Torn", "-d", "mid-sentence")
    with running(process), running(sound_card.start_saying(speech)):
        path = wait_for("the file", lambda: next(staged(speaking_anna), None))
        wait_for("two seconds of sound", lambda: path.stat().st_size > 10_000)
        process.kill()
        process.wait()
    listed = speaking_anna.run("list", "--json")
    (memo,) = listed.json
    assert "recovered an unfinished recording" in listed.err
    assert (memo["title"], memo["description"]) == ("Torn", "mid-sentence")
    again = speaking_anna.run("list", "--json")
    assert again.json == [memo]
    assert again.err == ""
    recorded, _ = soundfile.read(speaking_anna.audio(memo["id"]))
    spoken, _ = soundfile.read(speech)
    assert alignment(spoken, voice(recorded))[1] > 0.95


@pytest.mark.parametrize("format_", ["flac", "wav"])
def test_kill_9_leaves_a_whole_file_in_the_lossless_formats_too(
    speaking_anna: Memocast, sound_card: SoundCard, format_: str
) -> None:
    process = start_recording(speaking_anna, sound_card, "--format", format_)
    with running(process):
        path = wait_for("the file", lambda: next(staged(speaking_anna), None))
        smallest = {"flac": 300, "wav": 100_000}[format_]
        wait_for("a second of sound", lambda: path.stat().st_size > smallest)
        process.kill()
        process.wait()
    (memo,) = speaking_anna.run("list", "--json").json
    info = soundfile.info(speaking_anna.audio(memo["id"]))
    assert info.frames == pytest.approx(memo["duration"] * 48_000, abs=48)
    assert memo["duration"] > 0.5


def test_a_microphone_that_vanishes_ends_with_4_and_what_was_recorded_is_kept(
    anna: Memocast, speech: Path
) -> None:
    with tempfile.TemporaryDirectory(prefix="mc-pulse-") as folder:
        with start_sound_card(Path(folder)) as card:
            anna.environment.update(card.environment)
            process = start_recording(anna, card, "Cut off")
            with running(card.start_saying(speech)):
                path = wait_for("the file", lambda: next(staged(anna), None))
                wait_for("two seconds of sound", lambda: path.stat().st_size > 10_000)
        with running(process):
            out, err = process.communicate(timeout=30)
    assert process.returncode == 4
    lines = err.splitlines()
    assert "memocast: error: the microphone 'default' went away" in lines
    assert any(line.startswith("memocast: hint: the recording so far is kept") for line in lines)
    assert all(line.startswith("memocast: ") for line in lines)
    memo = anna.show(out.strip())
    assert memo["title"] == "Cut off"
    assert memo["duration"] > 1


def test_a_disk_that_fills_up_ends_with_8_and_what_was_kept_can_be_shared(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path
) -> None:
    # A limit on the size of files, 400 blocks of 512 bytes, stands for the disk.
    script = "trap '' XFSZ; ulimit -f 400; exec memocast record --format wav --duration 30 Full"
    recorder = subprocess.Popen(
        ["sh", "-c", script],
        env=speaking_anna.environment,
        cwd=speaking_anna.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running(recorder):
        wait_for("the recorder", sound_card.listeners)
        with running(sound_card.start_saying(speech)):
            out, err = recorder.communicate(timeout=60)
    assert recorder.returncode == 8, err
    assert "memocast: error: writing the recording failed: " in err
    memo = speaking_anna.show(out.strip())
    path = speaking_anna.audio(memo["id"])
    assert soundfile.info(path).duration == pytest.approx(memo["duration"], abs=0.001)
    assert speaking_anna.add(path), "it is a whole file, that others accept"


@pytest.mark.parametrize("gap", [0.01, 0, 0.05][: scaled(3, 1)])
def test_a_second_signal_right_after_the_first_changes_nothing(
    speaking_anna: Memocast, sound_card: SoundCard, gap: float
) -> None:
    process = start_recording(speaking_anna, sound_card)
    with running(process):
        path = next(staged(speaking_anna))
        wait_for("a second of sound", lambda: path.stat().st_size > 1_000)
        process.send_signal(signal.SIGTERM)
        select.select([], [], [], gap)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert speaking_anna.show(out.strip())["duration"] > 0.1


def test_the_shortest_recording_ends_in_every_format(speaking_anna: Memocast) -> None:
    for format_ in ("opus", "flac", "wav"):
        result = speaking_anna.run(
            "record", "--duration", "0.00001", "--format", format_, expect=None
        )
        assert result.code in (0, 130)


def test_settings_choose_the_microphone_and_the_format(speaking_anna: Memocast) -> None:
    flac = speaking_anna.with_(MEMOCAST_FORMAT="flac", MEMOCAST_DEVICE="default")
    assert flac.run("record", "--duration", "0.5", "--json").json["format"] == "flac"
    other = speaking_anna.with_(MEMOCAST_DEVICE="gramophone")
    assert "'gramophone'" in other.run("record", "--duration", "0.5", expect=4).err


def test_without_a_sound_card_record_ends_with_4_and_leaves_nothing(anna: Memocast) -> None:
    anna.environment["PULSE_SERVER"] = "unix:/nonexistent"
    result = anna.run("record", "Nothing", expect=4)
    assert result.out == ""
    assert result.err.splitlines() == [
        "memocast: error: no microphone found",
        "memocast: hint: connect one and check again: memocast devices; these choose what is"
        " found: $PULSE_SERVER ('unix:/nonexistent')",
    ]
    assert anna.run("list").out == ""
    assert list((anna.library / "incoming").iterdir()) == [anna.library / "incoming" / ".gate"]


def test_without_portaudio_record_ends_with_4_and_says_how_to_install_it(
    anna: Memocast, tmp_path: Path
) -> None:
    # The loader finds this broken library first, as if the package were missing.
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "libportaudio.so.2").write_bytes(b"no library")
    anna.environment["LD_LIBRARY_PATH"] = str(tmp_path / "libs")
    result = anna.run("record", expect=4)
    assert "PortAudio is not installed" in result.err
    assert "libportaudio2" in result.err


def test_an_unknown_device_is_refused_by_name(speaking_anna: Memocast) -> None:
    result = speaking_anna.run("record", "--device", "gramophone", expect=4)
    assert "there is no microphone 'gramophone'" in result.err


def test_devices_lists_microphones_and_speakers(speaking_anna: Memocast) -> None:
    lines = speaking_anna.run("devices").lines
    assert any(re.fullmatch(r"\d+\tmicrophone\*\t\d+ Hz\t.+", line) for line in lines)
    assert any(re.fullmatch(r"\d+\tspeaker\*\t\d+ Hz\t.+", line) for line in lines)
    first = speaking_anna.run("devices", "--json").json[0]
    assert {"index", "name", "inputs", "outputs", "sample_rate"} <= set(first)


def test_record_with_share_prints_the_id_and_then_the_link(speaking_anna: Memocast) -> None:
    result = speaking_anna.run("record", "--duration", "1", "--share", "Shared at once")
    memo, link = result.lines
    assert speaking_anna.show(memo)["shared"] is True
    assert link == speaking_anna.run("share", memo).out.strip()
    assert "started the seeder in the background" in result.err


@pytest.mark.parametrize(
    "options",
    [
        ["--duration", "soon"],
        ["--duration", "0"],
        ["--format", "mp3"],
        ["", "--duration", "1"],
        ["x" * 301],
        ["-d", "x" * 8001],
    ],
)
def test_bad_options_are_refused_before_anything_is_recorded(
    speaking_anna: Memocast, options: list[str]
) -> None:
    before = speaking_anna.snapshot()
    result = speaking_anna.run("record", *options, expect=2)
    assert result.out == ""
    assert "memocast: hint: " in result.err
    assert speaking_anna.snapshot() == before or not before
