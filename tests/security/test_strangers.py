"""Strangers: whatever they send, `fetch` ends with the right code and does no harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import scaled
from helpers.hostile import audio, headers, links, metadata, names, text
from helpers.hostile.check import check, standing, victim
from helpers.terminal import Terminal, assert_usable

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.hostile.case import Case

CASES: list[Case] = [
    case for table in (names, metadata, text, links, audio, headers) for case in table.CASES
]
BY_NAME = {case.name: case for case in CASES}


def test_the_corpus_has_at_least_a_hundred_cases_and_every_ending() -> None:
    assert len(BY_NAME) == len(CASES) >= 200, "of which the ordinary run takes every sixteenth"
    assert {case.code for case in CASES} == {0, 2, 5, 6, 7}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name) for case in CASES[:: scaled(1, 24)]]
)
def test_a_stranger_does_no_harm(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("title-screen", r"\[2J.\[H"),
        ("title-window-title", r"\]0;owned"),
        ("title-c1", "31m"),
        ("tracker-colour", r"failed: .\[31mred"),
        ("tracker-status", r"failed: .\]0;owned"),
        ("link-piped-escapes", "is not a link"),
        ("audio-escapes-in-mp3", "fetched 'voice'"),
    ],
)
def test_a_terminal_is_as_it_was_after_a_stranger(name: str, shown: str, tmp_path: Path) -> None:
    ben, listener = victim(tmp_path)
    case = BY_NAME[name]
    with Terminal(ben) as terminal:
        state = [terminal.property(what) for what in KEPT]
        with standing(case.make(tmp_path), tmp_path, listener) as (words, lines):
            (tmp_path / "lines").write_bytes(lines)
            paste = " ".join(f"'{word!s}'" for word in [*words, *case.options])
            terminal.begin(
                f"clear; memocast fetch {paste} < {tmp_path}/lines; memocast show latest"
            )
            terminal.wait_for_text(r"^exit=\d")
        assert terminal.find(shown), terminal.screen()
        assert [terminal.property(what) for what in KEPT] == state
        terminal.type("clear")
        terminal.wait_for("an empty screen", lambda: terminal.lines() == ["$"])
        assert_usable(terminal)


KEPT = ("pane_title", "alternate_on", "cursor_flag", "insert_flag", "mouse_any_flag", "buffer_size")
"""Of tmux's variables: title, screen, cursor, modes, and what was put on the clipboard."""
