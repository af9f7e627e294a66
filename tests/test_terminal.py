"""What a person sees and presses: every command in a real terminal of 80 columns and 24 rows."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest
import soundfile
from conftest import encoded, needs, running, wait_for
from test_record import alignment, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Memocast, SoundCard

RATE = 48_000
ID = r"[0-9a-hjkmnp-tv-z]{8}"
WAVEFORM = r"[ ▁▂▃▄▅▆▇█]"
HOSTILE = "[red]markup[/red] \x1b[31mred\x1b[2J\x1b]0;pwned\x07 [/oops]"
SHOWN_HOSTILE = "[red]markup[/red] �[31mred�[2J�]0;pwned� [/oops]"


class Terminal:
    """A shell in a tmux of its own, with one user's environment, as that user would have it."""

    def __init__(self, user: Memocast, *shell: str, columns: int = 80) -> None:
        needs("tmux")
        # A socket's path is at most 108 characters; pytest's folders can be longer.
        self._folder = tempfile.TemporaryDirectory(prefix="mc-tmux-")
        self._tmux = ("tmux", "-u", "-S", f"{self._folder.name}/socket", "-f", "/dev/null")
        self._environment = {**user.environment, "TERM": "xterm-256color"}
        # Named before the first session, so that its shell has it too.
        self._command(
            *("set-option", "-g", "default-terminal", "screen-256color", ";"),
            *("new-session", "-d", "-x", str(columns), "-y", "24", "-c", str(user.home)),
            *("env", "PS1=$ ", *(shell or ("sh",))),
        )

    def __enter__(self) -> Self:
        try:
            self.wait_for_prompt()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._command("kill-server")
        finally:
            self._folder.cleanup()

    def _command(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._tmux, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
        ).stdout

    def key(self, *names: str) -> None:
        """Press keys, by tmux's names for them; several arrive together."""
        self._command("send-keys", *names)

    def write(self, text: str) -> None:
        """Type text."""
        self._command("send-keys", "-l", "--", text)

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self.write(line)
        self.key("Enter")

    def begin(self, command: str) -> None:
        """On an empty screen, type a command whose exit code will be shown."""
        if self.lines() != ["$"]:
            self.type("clear")
            self.wait_for("an empty screen", lambda: self.lines() == ["$"])
        self.type(f'{command}; echo "exit=$?"')

    def end(self) -> list[str]:
        """Wait until that command is over; return all that the screen shows before the prompt."""
        self.wait_for_text(r"^exit=\d+")
        self.wait_for_prompt()
        return self.lines()[:-1]

    def run(self, command: str) -> list[str]:
        """Run a command; return what it left on the screen, its exit code last."""
        self.begin(command)
        return self.end()[1:]

    def screen(self, *, colours: bool = False) -> str:
        """What the terminal shows; with `colours`, with the sequences that make them."""
        return self._command("capture-pane", "-p", *(["-e"] if colours else []))

    def lines(self) -> list[str]:
        """The screen's lines, without the empty ones at the end."""
        return [line.rstrip() for line in self.screen().rstrip().splitlines()]

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first match on the screen; ^ and $ match at every line."""
        return re.search(pattern, self.screen(), re.MULTILINE)

    def wait_for(self, what: str, probe: Callable[[], Any]) -> Any:
        """As conftest's `wait_for`, but a failure shows the screen."""
        try:
            return wait_for(what, probe)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}; the screen shows:\n{self.screen().rstrip()}")

    def wait_for_text(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows it."""
        found: re.Match[str] = self.wait_for(f"{pattern!r}", lambda: self.find(pattern))
        return found

    def wait_for_prompt(self) -> None:
        """Wait until the shell asks for a command."""
        self.wait_for("the prompt", lambda: (self.lines() or [""])[-1] == "$")

    def property(self, name: str) -> str:
        """One of tmux's variables for the terminal."""
        return self._command("display-message", "-p", f"#{{{name}}}").strip()


def assert_shows(lines: list[str], *patterns: str) -> None:
    """There are exactly these lines, each matched by its pattern in full."""
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), (line, lines)


def assert_usable(terminal: Terminal) -> None:
    """The terminal is as it was before: it has its cursor, shows what is typed and obeys it."""
    assert terminal.property("cursor_flag") == "1"
    assert terminal.property("alternate_on") == "0"
    terminal.type("echo still here")
    terminal.wait_for_text(r"^\$ echo still here\nstill here$")


def wav(path: Path, samples: Any) -> Path:
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


def tone(hertz: float, seconds: float) -> Any:
    return 0.8 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float) -> Any:
    """Something that swells and ebbs, and that no codec makes small."""
    count = round(seconds * RATE)
    swell = 1 + np.sin(2 * np.pi * 3 * np.arange(count) / count)
    return 0.1 * swell * np.random.default_rng(7).uniform(-1, 1, count)


def silence(seconds: float) -> Any:
    return np.zeros(round(seconds * RATE))


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
        assert re.search(r"recording +0:0\d .* [\d.]+ k?B .*space.*q ends.*esc", meter)
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
        assert_shows(lines, *KEPT)
        assert_usable(terminal)
    assert speaking_anna.show(lines[2])["duration"] >= 1


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
        terminal.wait_for_text("recording .* q ends")
        terminal.wait_for_text(r"recording +0:01 ")
        terminal.key("Escape")
        terminal.wait_for_text("recording .* discard it")
        terminal.key("y")
        lines = terminal.end()
        assert_shows(lines, r"\$ .*", "memocast: error: the recording was discarded", "exit=130")
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
        assert_shows(lines, r"\$ id=.*", KEPT[1], rf"exit=0 id={ID}")
        assert_usable(terminal)
    assert speaking_anna.show()["id"] == lines[-1][-8:]


# -- list and show -------------------------------------------------------------


def test_list_is_a_table_that_fits_and_long_titles_give_way(anna: Memocast, flac: Path) -> None:
    short = anna.add(flac, title="Short")
    long = anna.add(flac, title="0123456789" * 12)
    anna.run("share", long, "--no-seed")
    with Terminal(anna) as terminal:
        lines = terminal.run("memocast list")
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert_shows(
        lines,
        "id +created +length +size +title",
        rf"{long}  {when}    0:0\d  +[\d.]+ kB  ↑  [0-9]{{20,}}…",
        rf"{short}  {when}    0:0\d  +[\d.]+ kB     Short",
        "exit=0",
    )


def test_status_is_a_table_that_fits_and_long_titles_give_way(anna: Memocast, flac: Path) -> None:
    memo = anna.add(flac, title="0123456789" * 12)
    anna.run("share", memo, "--no-seed")
    with Terminal(anna) as terminal:
        lines = terminal.run("memocast status")
    assert_shows(
        lines,
        "seeder  not running; start it: memocast seed --background",
        "id +peers +rate +sent +copies +last copy +title",
        rf"{memo}      0  0 B/s   0 B     0/0             keep seeding  [0-9]+…",
        "exit=0",
    )


def test_markup_and_escape_sequences_in_a_title_are_shown_and_do_nothing(
    anna: Memocast, flac: Path
) -> None:
    memo = anna.add(flac, title=HOSTILE)
    with Terminal(anna) as terminal:
        before = terminal.property("pane_title")
        _, row, code = terminal.run("memocast list")
        shown = re.escape(SHOWN_HOSTILE[:30])
        assert re.fullmatch(rf"{memo} .* {shown}.*", row)
        assert code == "exit=0"
        card = terminal.run("memocast show latest")
        assert re.fullmatch(rf"╭─ {memo}  {re.escape(SHOWN_HOSTILE)} ─+╮", card[0])
        assert card[-1] == "exit=0"
        assert terminal.property("pane_title") == before


def test_no_color_is_obeyed(anna: Memocast, flac: Path) -> None:
    anna.add(flac, title="Plain")
    with Terminal(anna) as terminal:
        for command in ("list", "show latest"):
            terminal.run(f"memocast {command}")
            assert "\x1b[" in terminal.screen(colours=True)
            terminal.run(f"NO_COLOR=1 memocast {command}")
            assert "\x1b[" not in terminal.screen(colours=True)


@pytest.mark.parametrize("columns", [80, 120])
def test_show_is_a_card_of_at_most_80_columns_with_the_waveform(
    anna: Memocast, flac: Path, columns: int
) -> None:
    memo = anna.add(flac, title="A title " * 15, description="first line\nthe [b]second[/b] line")
    with Terminal(anna, columns=columns) as terminal:
        *card, code = terminal.run("memocast show latest")
    assert code == "exit=0"
    assert {len(line) for line in card} == {80}
    top, drawn, *rest, bottom = card
    assert re.fullmatch(rf"╭─ {memo}  A title .*… ─╮", top)
    assert re.fullmatch(rf"│ {WAVEFORM}{{76}} │", drawn)
    assert len(set(drawn)) > 5
    assert re.fullmatch(r"╰─+╯", bottom)
    text = "\n".join(line.strip("│ ") for line in rest)
    assert "first line\nthe [b]second[/b] line" in text
    assert re.search(r"0:0\d  [\d.]+ kB  flac  .*  added", text)
    assert f"memocast share {memo}" in text


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
        assert "q ends" in state

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


# -- seed and fetch ------------------------------------------------------------


def test_seed_shows_what_it_seeds_and_ctrl_c_leaves_the_screen_clean(
    anna: Memocast, flac: Path
) -> None:
    anna.add(flac, title="One")
    anna.add(flac, title="Two")
    anna.run("share", "--all", "--no-seed")
    with Terminal(anna) as terminal:
        terminal.begin("memocast seed")
        terminal.wait_for_text(r"^seeding 2 memos  127\.0\.0\.1:\d+")
        assert "Ctrl-C ends" in terminal.screen()
        terminal.key("C-c")
        assert_shows(terminal.end(), r"\$ memocast seed.*", "exit=0")
        assert_usable(terminal)


def test_keys_pressed_while_seed_runs_leave_no_trace_on_its_screen(
    anna: Memocast, flac: Path
) -> None:
    anna.add(flac, title="One")
    anna.run("share", "--all", "--no-seed")
    with Terminal(anna) as terminal:
        terminal.begin("memocast seed")
        terminal.wait_for_text("^seeding 1 memo")
        terminal.key("x", "Enter", "Enter")
        # The change makes it draw its screen again.
        anna.add(flac, title="Two")
        anna.run("share", "latest", "--no-seed")
        terminal.wait_for_text("^seeding 2 memos")
        assert terminal.screen().count("seeding ") == 1
        terminal.key("C-c")
        assert terminal.end()[1] == "exit=0"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_fetch_with_nobody_there_shows_what_was_tried_and_ctrl_c_leaves_the_screen_clean(
    ben: Memocast,
) -> None:
    trackers = [f"http://127.0.0.1:{free_port()}/{name * 40}/announce" for name in "ab"]
    link = "".join([f"magnet:?xt=urn:btih:{'5a' * 20}", *(f"&tr={url}" for url in trackers)])
    with Terminal(ben.with_(LINK=link)) as terminal:
        terminal.begin('memocast fetch "$LINK"')
        terminal.wait_for_text(r"^looking for peers +0:01 +0 peers$")
        for url in trackers:
            terminal.wait_for_text(rf"^  tracker {re.escape(url[:55])}.*…$")
        terminal.key("C-c")
        assert_shows(
            terminal.end(),
            r"\$ memocast fetch .*",
            "memocast: error: interrupted.*",
            "memocast: hint: .*",
            "exit=130",
        )
        assert_usable(terminal)


def test_fetch_shows_a_preview_and_progress_and_goes_on_where_ctrl_c_stopped_it(
    anna: Memocast, ben: Memocast, tmp_path: Path
) -> None:
    title = "[red]A story[/red] that is told at length: " + "and so on " * 10
    source = wav(tmp_path / "story.wav", noise(30))
    memo = anna.add(source, title=title.strip())
    link = anna.run("share", memo, "--no-seed", "--direct").out.strip()
    ben = ben.with_(LINK=link)
    progress = r"^[^\w\s]\W* (?P<percent>\d+)%  [\d.]+ [kM]B  [\d.]+ kB/s  1 peers?  \d+:\d\d left$"

    throttled = anna.with_(MEMOCAST_UPLOAD_LIMIT="200000")
    with Terminal(throttled) as seeding, Terminal(ben) as fetching:
        seeding.begin("memocast seed")
        seeding.wait_for_text("^seeding 1 memo")
        fetching.begin('memocast fetch "$LINK"')
        fetching.wait_for_text(progress)
        _, shown, drawn, _ = fetching.lines()
        assert shown.startswith("[red]A story[/red] that is told at length: and so on")
        assert shown.endswith("…") or re.search(r"0:30  2\.9 MB$", shown)
        assert re.fullmatch(rf"{WAVEFORM}{{60,80}}", drawn)
        seeding.wait_for_text(rf"^{memo} +1 .*\[red\]A story\[/red\]")
        before = int(fetching.wait_for_text(progress)["percent"])
        fetching.key("C-c")
        interrupted = fetching.end()
        assert_shows(
            interrupted,
            r"\$ memocast fetch .*",
            "memocast: error: interrupted; what has arrived is kept",
            "memocast: hint: fetch the same link again to go on from there",
            "exit=130",
        )
        assert_usable(fetching)

        fetching.begin('memocast fetch "$LINK"')
        after = int(fetching.wait_for_text(r"(?P<percent>\d+)%  ")["percent"])
        assert 0 < before <= after
        seeding.key("C-c")
        assert_shows(seeding.end(), r"\$ memocast seed.*", "exit=0")
        fetching.key("C-c")
        fetching.end()

    with running(anna.start("seed", "--json")) as seeder, Terminal(ben) as fetching:
        assert seeder.stdout
        seeder.stdout.readline()
        lines = fetching.run('memocast fetch "$LINK"')
        assert_usable(fetching)
        anna.stop()
    assert_shows(
        lines[:1] + lines[-2:],
        ID,
        "memocast: hint: keep it available to others: memocast seed --background",
        "exit=0",
    )
    said = "".join(lines[1:-2])
    assert said == f"memocast: fetched '{title.strip()}' (0:30)"
    assert ben.audio(lines[0]).read_bytes() == source.read_bytes()
    (sent,) = anna.run("status", "--json").json["memos"]
    assert sent["uploaded"] < 1.2 * source.stat().st_size
