"""What a person sees and answers, in a real terminal of 80 columns and 24 rows."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from helpers.made_sounds import noise, wav
from helpers.processes import running
from helpers.terminal import (
    HOSTILE,
    ID,
    SHOWN_HOSTILE,
    WAVEFORM,
    Terminal,
    assert_shows,
    assert_usable,
)

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast


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


# -- jobs in the background ----------------------------------------------------


def test_a_job_in_the_background_runs_on(anna: Memocast, ben: Memocast, opus: Path) -> None:
    link = anna.run("share", anna.add(opus, title="Behind"), "--direct").out.strip()
    ben.environment["LINK"] = link
    with Terminal(ben, "bash", "--norc", "-i") as terminal:
        terminal.type('memocast fetch "$LINK" &')
        terminal.wait_for_text("memocast: fetched 'Behind'")
        terminal.type("jobs; echo over")
        terminal.wait_for_text("^over")
        assert not terminal.find("Stopped")


# -- questions -----------------------------------------------------------------


def test_edit_asks_for_what_is_not_given_and_an_empty_answer_keeps_it(
    anna: Memocast, opus: Path
) -> None:
    anna.add(opus, title="Old", description="kept")
    with Terminal(anna) as terminal:
        terminal.begin("memocast edit latest")
        terminal.wait_for_text(r"^title \[Old\]:")
        terminal.type("New")
        terminal.wait_for_text(r"^description \[kept\]:")
        terminal.key("Enter")
        assert terminal.end()[-1] == "exit=0"
    memo = anna.show()
    assert (memo["title"], memo["description"]) == ("New", "kept")


def test_remove_asks_and_anything_but_yes_keeps_the_memo(anna: Memocast, opus: Path) -> None:
    memo = anna.add(opus, title="Precious")
    with Terminal(anna) as terminal:
        for answer, left in (("n", 1), ("", 1), ("y", 0)):
            terminal.begin("memocast remove latest")
            terminal.wait_for_text(rf"^remove 'Precious' \({memo}\)\? \[y/N\]")
            terminal.type(answer)
            assert terminal.end()[-1] == "exit=0"
            assert len(anna.run("list").lines) == left


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
        assert "Ctrl-C stops" in terminal.screen()
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
            "memocast: hint: fetch the same link again to resume",
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
