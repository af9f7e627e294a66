"""memocast in shell scripts: stdout is data and nothing else."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

ID = re.compile(r"[0-9a-hjkmnp-tv-z]{8}")


def test_record_share_fetch_in_three_lines(speaking_anna: Memocast) -> None:
    result = speaking_anna.shell(
        """
        set -eu
        id=$(memocast record --duration 3 note)
        link=$(memocast share --direct "$id")
        copy=$(MEMOCAST_LIBRARY=$HOME/second memocast fetch "$link")
        printf '%s\\n%s\\n%s\\n' "$id" "$link" "$copy"
        cmp "library/memos/$id.opus" "second/memos/$copy.opus"
        """
    )
    memo, link, copy = result.lines
    assert ID.fullmatch(memo)
    assert ID.fullmatch(copy)
    assert link.startswith("magnet:?xt=urn:btih:")
    assert "&dn=note.opus" in link
    assert all(line.startswith("memocast: ") for line in result.err.splitlines())


@pytest.mark.long
def test_every_command_keeps_stdout_for_data(speaking_anna: Memocast, opus: Path) -> None:
    user = speaking_anna
    memo = user.run("add", str(opus), "--title", "Data").out
    expected = {
        ("list",): rf"{ID.pattern}\t\S+Z\t[\d.]+\t\d+\tData\n",
        ("show", "latest"): r"(\w+:.*\n)+",
        ("edit", "latest", "--title", "Data"): "",
        ("play", "latest"): "",
        ("export", "latest"): r"Data\.opus\n",
        ("share", "latest"): r"magnet:\S+\n",
        ("status",): r"(.+\n)+",
        ("seed", "--background"): "",
        ("devices",): r"(\d+\t(microphone|speaker)\*?\t\d+ Hz\t.+\n)+",
        ("doctor",): r"((ok|problem)\t.+\n)+",
        ("seed", "--stop"): "",
        ("fetch", "latest"): "",
        ("remove", "latest", "--yes"): "",
    }
    assert ID.fullmatch(memo.strip())
    for command, pattern in expected.items():
        result = user.run(*command, expect=5 if command[0] == "fetch" else 0)
        assert re.fullmatch(pattern, result.out), (command, result)
        assert all(line.startswith("memocast: ") for line in result.err.splitlines())


def test_every_command_with_json_prints_one_document(speaking_anna: Memocast, opus: Path) -> None:
    user = speaking_anna
    added = json.loads(user.run("add", str(opus), "--json").out)
    assert [memo["origin"] for memo in added] == ["added"]
    for command in (
        ["list"],
        ["show", "latest"],
        ["edit", "latest", "--title", "x"],
        ["export", "latest"],
        ["share", "latest"],
        ["status"],
        ["devices"],
        ["doctor"],
        ["record", "--duration", "1"],
        ["remove", "latest", "--yes"],
    ):
        out = user.run(*command, "--json").out
        assert out.count("\n") == 1
        json.loads(out)


def test_colours_are_off_when_piped(anna: Memocast, opus: Path) -> None:
    anna.add(opus)
    for command in (["list"], ["show", "latest"], ["--help"], ["record", "--help"]):
        assert "\x1b" not in anna.run(*command).out
