"""`record` when something goes wrong on the way: what was said is kept, and nothing is silent."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from helpers.full_or_short import scaled
from helpers.heard_sounds import alignment, voice
from helpers.mounted_folder import mounted
from helpers.processes import running
from helpers.recording_process import end, staged, start_recording
from helpers.sound_card import start_sound_card
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard


def fill_up(folder: Path) -> None:
    """Leave not one byte on the folder's file system."""
    fill = os.open(folder / "fill", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fill, bytes(4096)):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC
    finally:
        os.close(fill)


@pytest.mark.parametrize("format_", ["opus", "wav", "flac"][: scaled(3, 1)])
def test_a_disk_that_fills_up_is_said_at_once_and_what_fits_is_kept(
    memocast: Callable[..., Memocast],
    sound_card: SoundCard,
    speech: Path,
    tmp_path: Path,
    format_: str,
) -> None:
    with mounted(tmp_path / "small", "3m") as small:
        anna = memocast("anna", MEMOCAST_LIBRARY=str(small / "library"), **sound_card.environment)
        anna.library = small / "library"
        process = start_recording(anna, sound_card, "Full", "--format", format_)
        with running(process), running(sound_card.start_saying(speech)):
            path = next(staged(anna))
            enough = {"opus": 10_000, "flac": 40_000, "wav": 150_000}[format_]
            wait_for("a second of sound", lambda: path.stat().st_size > enough)
            fill_up(small)
            # Well before the speech ends: it does not wait for Ctrl-C.
            out, err = process.communicate(timeout=30)
        assert process.returncode == 8, err
        assert "memocast: hint: free some space" in err
        if format_ == "flac":
            # An unfinished FLAC is mended by writing it anew, once there is room.
            assert out == ""
            assert "cannot be repaired: no space for a copy" in err
            (small / "fill").unlink()
            assert "recovered an unfinished recording" in anna.run("list").err
        else:
            assert "memocast: error: writing the recording failed: the disk is full" in err
        memo = anna.show("latest" if format_ == "flac" else out.strip())
        assert memo["title"] == "Full"
        recorded, rate = soundfile.read(anna.audio(memo["id"]))
        spoken, _ = soundfile.read(speech)
        assert memo["duration"] == pytest.approx(len(recorded) / rate, abs=0.001)
        assert len(recorded) > 0.3 * rate
        assert alignment(spoken, voice(recorded))[1] > 0.9
        assert {path.name for path in (anna.library / "incoming").iterdir()} == {".gate"}


def test_a_microphone_that_is_unplugged_ends_with_4_and_what_was_said_is_kept(
    anna: Memocast, speech: Path
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="mc-pulse-") as folder,
        start_sound_card(Path(folder)) as card,
    ):
        anna.environment.update(card.environment)
        process = start_recording(anna, card, "Cut off")
        with running(process), running(card.start_saying(speech)):
            path = next(staged(anna))
            wait_for("two seconds of sound", lambda: path.stat().st_size > 10_000)
            card.unplug()
            out, err = process.communicate(timeout=30)
    assert process.returncode == 4, err
    assert "memocast: error: the microphone 'default' went away" in err
    recorded, _ = soundfile.read(anna.audio(out.strip()))
    spoken, _ = soundfile.read(speech)
    # The virtual microphone stutters now and then as it goes; another sound is below 0.1.
    assert alignment(spoken, voice(recorded))[1] > 0.8
    assert len(voice(recorded)) > 48_000


def test_sound_that_did_not_arrive_is_said_at_the_end_and_kept_with_the_memo(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path
) -> None:
    process = start_recording(speaking_anna, sound_card)
    with running(process), running(sound_card.start_saying(speech)):
        path = next(staged(speaking_anna))
        wait_for("a second of sound", lambda: path.stat().st_size > 5_000)
        # A microphone that delivers nothing for a while, as on a loose cable.
        sound_card.pactl("suspend-sink", "vmic", "1")
        resume_at = time.monotonic() + 1.5
        wait_for("a second and a half", lambda: time.monotonic() > resume_at)
        sound_card.pactl("suspend-sink", "vmic", "0")
        size = path.stat().st_size
        wait_for("more sound", lambda: path.stat().st_size > size + 5_000)
        out, err = end(process)
    memo = speaking_anna.show(out.strip())
    assert memo["lost"] == pytest.approx(1.5, abs=0.4)
    assert f"{memo['lost']:.1f} s of sound was lost" in err
    assert f"lost: {memo['lost']}" in speaking_anna.run("show", out.strip()).lines


@pytest.mark.long
def test_a_recording_that_missed_nothing_says_nothing(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path
) -> None:
    process = start_recording(speaking_anna, sound_card)
    with running(process):
        sound_card.say(speech)
        out, err = end(process)
    assert "sound was lost" not in err
    assert speaking_anna.show(out.strip())["lost"] == 0
