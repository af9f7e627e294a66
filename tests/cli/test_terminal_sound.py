"""`record` and `play` in a real terminal of 80 columns and 24 rows."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from helpers.full_or_short import scaled
from helpers.heard_sounds import alignment, voice
from helpers.made_sounds import RATE, encoded, noise, silence, tone, wav
from helpers.processes import running
from helpers.shared_memo import sha256
from helpers.terminal import (
    HOSTILE,
    ID,
    SHOWN_HOSTILE,
    WAVEFORM,
    Terminal,
    assert_shows,
    assert_usable,
)
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard


@pytest.fixture
def phrase(speech: Path) -> Any:
    """A second or so of speech that begins and ends with a sound."""
    samples, _ = soundfile.read(speech)
    return voice(voice(samples)[: round(1.2 * RATE)])


# -- record --------------------------------------------------------------------


def begin_recording(terminal: Terminal, title: str = "On the train") -> None:
    terminal.begin(f'memocast record "{title}"')
    terminal.wait_for_text(r"● recording +0:0\d ")


def elapsed(terminal: Terminal) -> str:
    return terminal.wait_for_text(r"(?:recording|paused) +(\d+:\d\d) ")[1]


def level(terminal: Terminal) -> int:
    return terminal.screen().count("█")


KEPT = (
    r"\$ memocast record .*",
    r"memocast: kept 0:0\d as 'On the train' \([\d.]+ k?B\)",
    ID,
    "exit=0",
)
SILENCE = r"memocast: the recording is silent; choose another microphone: memocast devices"


def test_record_shows_time_size_and_a_moving_level_on_one_line_and_q_ends_and_keeps(
    speaking_anna: Memocast, sound_card: SoundCard, speech: Path
) -> None:
    with Terminal(speaking_anna) as terminal:
        begin_recording(terminal)
        assert level(terminal) == 0
        seen: set[int] = set()
        with running(sound_card.start_saying(speech)):
            terminal.wait_for(
                "a moving level", lambda: seen.add(level(terminal)) or len(seen - {0}) > 4
            )
            terminal.wait_for_text(r"recording +0:02 ")
        _, meter = terminal.lines()
        assert re.search(r"recording +0:0\d .* [\d.]+ k?B .*space.*q stops.*esc", meter)
        terminal.key("q")
        lines = terminal.end()
        assert_shows(lines, *KEPT)
        assert_usable(terminal)
    assert speaking_anna.show(lines[2])["duration"] >= 2


@pytest.mark.parametrize("key", ["Enter", "C-c"])
def test_enter_and_ctrl_c_end_the_recording_and_keep_it(speaking_anna: Memocast, key: str) -> None:
    with Terminal(speaking_anna) as terminal:
        begin_recording(terminal)
        terminal.wait_for_text(r"recording +0:01 ")
        terminal.key(key)
        lines = terminal.end()
        assert_shows(lines, KEPT[0], SILENCE, *KEPT[1:])
        assert_usable(terminal)
    assert speaking_anna.show(lines[3])["duration"] >= 1


@pytest.mark.long
def test_what_is_spoken_during_a_pause_is_left_out_and_the_time_stands_still(
    speaking_anna: Memocast, sound_card: SoundCard, phrase: Any, tmp_path: Path
) -> None:
    # Sound takes a moment from the microphone to the recorder: silence around what is spoken.
    spoken = wav(tmp_path / "spoken.wav", np.concatenate([silence(0.3), phrase, silence(0.5)]))
    left_out = wav(tmp_path / "tone.wav", np.concatenate([tone(440, 0.8), silence(0.5)]))
    with Terminal(speaking_anna.with_(MEMOCAST_FORMAT="flac")) as terminal:
        begin_recording(terminal)
        sound_card.say(spoken)
        terminal.key("Space")
        terminal.wait_for_text("❚❚ paused ")
        paused_at = elapsed(terminal)
        sound_card.say(left_out)
        assert elapsed(terminal) == paused_at
        assert level(terminal) == 0
        terminal.key("Space")
        terminal.wait_for_text("● recording ")
        sound_card.say(spoken)
        terminal.key("q")
        memo = terminal.end()[2]
    recorded, _ = soundfile.read(speaking_anna.audio(memo))
    first, correlation = alignment(recorded, phrase)
    assert correlation > 0.95
    rest = recorded.copy()
    rest[first : first + len(phrase)] = 0
    second, correlation = alignment(rest, phrase)
    assert correlation > 0.95
    assert abs(second - first) >= len(phrase)
    assert loudness(440, tone(440, 1)) > 0.7
    assert loudness(440, recorded) < 1.1 * loudness(440, phrase) < 0.2


def loudness(hertz: float, samples: Any) -> float:
    """The greatest amplitude at that frequency in any fifth of a second."""
    size = RATE // 5
    wave = np.exp(-2j * np.pi * hertz * np.arange(size) / RATE)
    starts = range(0, len(samples) - size, size // 8)
    return max(2 * abs(np.vdot(wave.conj(), samples[at : at + size])) / size for at in starts)


def test_escape_asks_and_anything_but_yes_goes_on_recording(speaking_anna: Memocast) -> None:
    with Terminal(speaking_anna) as terminal:
        begin_recording(terminal)
        terminal.key("Escape")
        terminal.wait_for_text("recording .* discard it")
        terminal.key("n")
        terminal.wait_for_text("recording .* q stops")
        terminal.wait_for_text(r"recording +0:01 ")
        terminal.key("Escape")
        terminal.wait_for_text("recording .* discard it")
        terminal.key("y")
        lines = terminal.end()
        assert_shows(lines, r"\$ .*", "memocast: discarded", "exit=130")
        assert_usable(terminal)
    assert speaking_anna.run("list").out == ""
    assert not list((speaking_anna.library / "incoming").glob("recording-*"))


def test_keys_that_arrive_together_are_all_obeyed(speaking_anna: Memocast) -> None:
    with Terminal(speaking_anna) as terminal:
        begin_recording(terminal)
        terminal.key("Space", "Space", "Space")
        terminal.wait_for_text("❚❚ paused ")
        terminal.key("Escape", "y")
        assert terminal.end()[-1] == "exit=130"


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_a_recording_whose_id_a_script_takes_has_its_meter_and_its_keys(
    speaking_anna: Memocast, key: str
) -> None:
    with Terminal(speaking_anna) as terminal:
        terminal.type('id=$(memocast record "On the train"); echo "exit=$? id=$id"')
        terminal.wait_for_text(r"● recording +0:01 ")
        terminal.key("Space")
        terminal.wait_for_text("❚❚ paused ")
        terminal.key(key)
        lines = terminal.end()
        assert_shows(lines, r"\$ id=.*", SILENCE, KEPT[1], rf"exit=0 id={ID}")
        assert_usable(terminal)
    assert speaking_anna.show()["id"] == lines[-1][-8:]


# -- play ----------------------------------------------------------------------


def test_play_shows_the_waveform_and_obeys_its_keys(
    speaking_anna: Memocast, sound_card: SoundCard, tmp_path: Path
) -> None:
    speaking_anna.add(wav(tmp_path / "long.wav", noise(60)), title=HOSTILE)
    with Terminal(speaking_anna) as terminal:

        def position() -> int:
            found = terminal.wait_for_text(r"(\d+):(\d\d) / 1:00")
            return 60 * int(found[1]) + int(found[2])

        terminal.begin("memocast play latest")
        terminal.wait_for_text(r"▶ 0:01 / 1:00 +×1 ")
        _, title, drawn, state = terminal.lines()
        assert title == SHOWN_HOSTILE
        assert re.fullmatch(rf"{WAVEFORM}{{70,80}}", drawn)
        assert "space" in state
        assert "q quits" in state

        terminal.key("Space")
        terminal.wait_for_text("❚❚ 0:0")
        paused_at = position()
        sound_card.say(wav(tmp_path / "pause.wav", silence(1.2)))
        assert position() == paused_at
        terminal.key("Right")
        terminal.wait_for("5 s onwards", lambda: 0 <= position() - paused_at - 5 <= 1)
        terminal.key("Right")
        terminal.wait_for("10 s onwards", lambda: 0 <= position() - paused_at - 10 <= 1)
        terminal.key("Left")
        terminal.wait_for("5 s back", lambda: 0 <= position() - paused_at - 5 <= 1)
        resumed_at = position()
        terminal.key("Space")
        terminal.wait_for("the position to move", lambda: position() > resumed_at)

        for key, speed in (("]", "1.25"), ("]", "1.5"), ("[", "1.25"), ("[", "1"), ("[", "0.75")):
            terminal.key(key)
            terminal.wait_for_text(rf"▶ .* ×{re.escape(speed)} ")
        terminal.key("q")
        assert_shows(terminal.end(), r"\$ memocast play .*", "exit=0")
        assert_usable(terminal)


def test_play_ends_by_itself_or_by_ctrl_c_and_leaves_the_screen_clean(
    speaking_anna: Memocast, tmp_path: Path
) -> None:
    short = speaking_anna.add(wav(tmp_path / "short.wav", noise(0.5)), title="Short")
    long = speaking_anna.add(wav(tmp_path / "long.wav", noise(60)), title="Long")
    with Terminal(speaking_anna) as terminal:
        terminal.begin(f"memocast play {long}")
        terminal.wait_for_text("▶ 0:00 / 1:00")
        terminal.key("C-c")
        lines = terminal.end()
        notes = [line for line in lines if line.startswith("memocast: ")]
        assert_shows(lines, r"\$ memocast play .*", *notes, "exit=130")
        assert_usable(terminal)
        assert terminal.run(f"memocast play {short}") == ["exit=0"]
        assert_usable(terminal)


def test_what_is_played_is_what_is_heard_to_its_very_end(
    speaking_anna: Memocast, sound_card: SoundCard, phrase: Any, tmp_path: Path
) -> None:
    said = wav(tmp_path / "phrase.wav", phrase)
    memo = speaking_anna.add(encoded(said, tmp_path / "phrase.opus", format="OGG", subtype="OPUS"))
    heard_path = tmp_path / "heard.raw"
    with heard_path.open("wb") as file:
        listener = subprocess.Popen(
            [
                *("parec", "--device=vspk.monitor", "--format=s16le", f"--rate={RATE}"),
                *("--channels=1", "--latency-msec=50", "--raw"),
            ],
            stdout=file,
            env=speaking_anna.environment,
        )
        with running(listener):
            wait_for("the listener", lambda: sound_card.listeners() == 1)
            wait_for("its first sound", lambda: heard_path.stat().st_size)
            result = speaking_anna.run("play", memo)
            arrived = heard_path.stat().st_size
            wait_for("half a second more", lambda: heard_path.stat().st_size > arrived + RATE)
            listener.terminate()
    assert result.out == ""
    heard = np.frombuffer(heard_path.read_bytes(), "<i2") / 32_768
    played, _ = soundfile.read(speaking_anna.audio(memo))
    start, correlation = alignment(heard, played)
    assert correlation > 0.95
    last = RATE // 5
    end = heard[start + len(played) - last : start + len(played)]
    assert len(end) == last
    assert np.corrcoef(end, played[-last:])[0, 1] > 0.95


def test_play_that_is_terminated_leaves_the_terminal_usable(
    speaking_anna: Memocast, flac: Path
) -> None:
    memo = speaking_anna.add(flac, title="Ended")
    with Terminal(speaking_anna) as terminal:
        terminal.begin(f"memocast play {memo}")
        terminal.wait_for_text("▶ 0:0")
        subprocess.run(["pkill", "-TERM", "-f", f"memocast play {memo}"], check=True)
        assert terminal.end()[-1] == "exit=130"
        assert_usable(terminal)


@pytest.mark.parametrize(
    "codec", [("OGG", "OPUS"), ("FLAC", "PCM_16")][: scaled(2, 1)], ids=" ".join
)
@pytest.mark.long
def test_fetch_with_play_is_heard_while_it_arrives_and_obeys_the_keys(
    anna: Memocast, speaking_anna: Memocast, ben: Memocast, tmp_path: Path, codec: tuple[str, str]
) -> None:
    said = wav(tmp_path / "noise.wav", noise(60))
    sound = encoded(said, tmp_path / "long", format=codec[0], subtype=codec[1])
    memo = anna.add(sound, title="Long")
    limit = sound.stat().st_size // 8  # bytes a second
    link = anna.with_(MEMOCAST_UPLOAD_LIMIT=str(limit)).run("share", memo, "--direct").out.strip()
    ben.environment["PULSE_SERVER"] = speaking_anna.environment["PULSE_SERVER"]
    with Terminal(ben) as terminal:
        terminal.begin(f"memocast fetch --play '{link}'")
        terminal.wait_for_text(r"▶ 0:0[1-9] / 1:00.*\n\S+ +[1-6]?\d%")
        terminal.key("Right")
        terminal.key("Right")
        terminal.wait_for_text(r"▶ 0:1\d / 1:00.*\n\S+ +[1-8]?\d%")
        terminal.wait_for_text(r"▶ 0:1[3-9] / 1:00")
        terminal.key("q")
        terminal.wait_for("silence", lambda: not terminal.find("▶"))
        lines = terminal.end()
        assert_shows(lines, r"\$ memocast fetch .*", *[".*"] * (len(lines) - 2), "exit=0")
    assert sha256(ben.audio(ben.show()["id"])) == sha256(sound)


def test_fetch_with_play_is_heard(
    anna: Memocast, speaking_anna: Memocast, ben: Memocast, flac: Path
) -> None:
    link = anna.run("share", anna.add(flac, title="Heard"), "--direct").out.strip()
    ben.environment["PULSE_SERVER"] = speaking_anna.environment["PULSE_SERVER"]
    with Terminal(ben) as terminal:
        terminal.begin(f"memocast fetch --play '{link}'")
        terminal.wait_for_text("▶ 0:0[1-9] / 0:0")
        terminal.key("q")
        assert terminal.end()[-1] == "exit=0"
