"""The soak of the seeder for a minute, and that it sees what grows."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import record
from helpers.processes import running
from helpers.soak import disturbances, peers
from helpers.soak.journal import Journal
from helpers.soak.schedule import CYCLE, event
from helpers.soak.verdict import judge
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

SOAK = Path(__file__).with_name("soak.py")
EVENTS = 260
"""A minute's worth: enough to tell descriptors and threads, and too few for memory."""


# -- what it concludes -----------------------------------------------------------------


def journal_of(
    folder: Path, lives: int, events: int, descriptors: Callable[[int, int], float]
) -> Journal:
    """A process that lives so often, each for so many events, and holds so much at each age."""
    chances = random.Random(4)
    journal = Journal(folder)
    for life in range(lives):
        journal.append("start")
        for age in range(events):
            number = life * events + age
            peers_now = chances.randrange(0, 12)
            held = {
                "pid": 1000 + life,
                "private_kb": 20_000 + chances.randrange(0, 300),
                "resident_kb": 40_000 + chances.randrange(0, 500),
                "threads": 12,
                "children": 0,
                "descriptors": descriptors(life, age) + peers_now,
            }
            journal.append("event", number=number, name="client")
            journal.append("sample", event=number, held={"classic": held})
    return journal


def words(journal: Journal) -> dict[tuple[str, str], str]:
    return {(trend.process, trend.measure): trend.word for trend in judge(journal).trends}


def test_what_only_comes_and_goes_with_the_peers_is_flat(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2, 2_000, lambda _life, _age: 30)
    assert set(words(journal).values()) == {"flat"}
    assert judge(journal).exit_code == 0


@pytest.mark.parametrize("every", [1, 10, 50])
def test_a_descriptor_that_is_lost_every_so_many_peers_is_seen(tmp_path: Path, every: int) -> None:
    journal = journal_of(tmp_path, 2, 2_000, lambda _life, age: 30 + age // every)
    found = words(journal)
    assert found.pop(("classic", "descriptors")) == "grows"
    assert set(found.values()) == {"flat"}
    assert judge(journal).exit_code == 1


def with_memory(journal: Journal, kb: Callable[[int], float]) -> Journal:
    """The same, with so much more memory after so many events of each life."""
    for line in journal.of("sample"):
        line["held"]["classic"]["private_kb"] += kb(line["event"] % 2_000)
    return journal


def test_memory_that_is_needed_once_is_no_growth(tmp_path: Path) -> None:
    flat = journal_of(tmp_path, 2, 2_000, lambda _life, _age: 30)
    steps = with_memory(flat, lambda age: 3_000 * (age > 1_250) + 900 * (age > 1_733))
    assert words(steps)["classic", "private_kb"] == "flat"


def test_memory_that_is_lost_with_each_event_of_a_kind_is_seen(tmp_path: Path) -> None:
    flat = journal_of(tmp_path, 2, 2_000, lambda _life, _age: 30)
    lost = with_memory(flat, lambda age: 100 * (age // 50))
    assert words(lost)["classic", "private_kb"] == "grows"


@pytest.mark.parametrize("kb", [3, 10])
def test_memory_that_is_lost_with_each_peer_is_seen(tmp_path: Path, kb: int) -> None:
    journal = journal_of(tmp_path, 2, 2_000, lambda _life, _age: 30)
    for line in journal.of("sample"):
        line["held"]["classic"]["private_kb"] += kb * (line["event"] % 2_000)
    assert words(journal)["classic", "private_kb"] == "grows"


def test_what_fills_up_at_the_beginning_is_flat(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2, 2_000, lambda _life, age: 30 + min(age, 90))
    assert words(journal)["classic", "descriptors"] == "flat"


def test_each_new_process_that_begins_with_more_is_seen(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 8, 200, lambda life, _age: 30 + 10 * life)
    assert words(journal)["each new classic", "descriptors"] == "grows"


def test_too_few_events_are_said_to_be_too_few(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 3, 90, lambda _life, _age: 30)
    assert set(words(journal).values()) == {"too short to tell"}
    assert judge(journal).exit_code == 3


def test_an_event_that_failed_is_told(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2, 2_000, lambda _life, _age: 30)
    journal.append("event", number=2_001, name="network", failed="no fetch within 30 s")
    assert judge(journal).exit_code == 1
    assert "FAILED: event 2001, network" in judge(journal).lines()


def test_a_line_that_was_cut_off_by_a_kill_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append("event", number=1)
    with (tmp_path / "soak.jsonl").open("a") as file:
        file.write('{"is": "event", "nu')
    again = Journal(tmp_path)
    again.append("event", number=2)
    assert [line["number"] for line in Journal(tmp_path).of("event")] == [1, 2]


@pytest.mark.parametrize("cycle", [EVENTS, CYCLE])
def test_a_cycle_has_every_disturbance_and_every_kind_of_peer(cycle: int) -> None:
    names = {event(number, cycle, 1) for number in range(1, 2 * cycle + 1)}
    known = disturbances.KINDS.keys() | peers.KINDS.keys()
    assert names == (known if cycle == CYCLE else known - {"kill seeder"})


# -- the seeder itself -----------------------------------------------------------------


def soak(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, SOAK, folder, "--minutes", "0", "--cycle", str(EVENTS), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # type: ignore[arg-type]


@pytest.mark.full
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_seeder_holds_no_more_after_a_minute_of_everything(tmp_path: Path) -> None:
    with running(soak(tmp_path, "--events", str(EVENTS))) as first:
        wait_for("some events", lambda: len(events(tmp_path)) > 20, 120)
        first.send_signal(signal.SIGKILL)
    wait_for("the end of its seeder", lambda: not using(tmp_path))
    done = len(events(tmp_path))
    with running(soak(tmp_path, "--events", str(done + EVENTS))) as second:
        said, _ = second.communicate(timeout=500)
    assert second.returncode in (0, 3), said
    assert [line["number"] for line in events(tmp_path)] == list(range(1, done + EVENTS + 1))
    assert not using(tmp_path)
    record("soak", events=done + EVENTS, seconds=round(Journal(tmp_path).seconds))


@pytest.mark.full
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_leak_of_a_descriptor_a_peer_is_seen_in_a_minute(tmp_path: Path) -> None:
    with running(soak(tmp_path, "--events", str(EVENTS), "--leak")) as leaking:
        said, _ = leaking.communicate(timeout=500)
    assert leaking.returncode == 1, said
    found = words(Journal(tmp_path))
    assert found["classic", "descriptors"] == "grows"
    assert found["supervisor", "descriptors"] == "flat"


def events(folder: Path) -> list[dict[str, object]]:
    path = folder / "soak.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    return [line for line in whole if line["is"] == "event"]


def using(folder: Path) -> list[str]:
    """The processes that have this folder in their command lines or as their own."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            if not words:
                continue
            if str(folder).encode() in words or folder in (entry / "cwd").readlink().parents:
                found.append(words.decode(errors="replace"))
        except OSError:
            continue
    return found
