"""What commands cost, in counts that are the same on every machine, however busy it is.

Times are for tests/bench; these fail when something begins to read, import, hash or wake up
more than it has to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile

from bench.libraries import COMMON, RARE, fill
from helpers.full_or_short import pause, scaled
from helpers.made_sounds import encoded
from helpers.repository import ROOT, TESTS
from helpers.waiting import wait_for
from memocast.cli.lazy_commands import HOMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast

COST_METER = TESTS / "helpers" / "cost_meter.py"
FAMILIES = {home.partition(":")[0] for home in HOMES.values()}
"""The modules of commands."""

HEAVY = {"libtorrent", "numpy", "soundfile", "sounddevice", "av", "rich", "mutagen", "pyrage"}
NEEDED = {
    "record": {"numpy", "soundfile", "sounddevice"},
    "devices": {"sounddevice"},
    "share": {"libtorrent"},
    "fetch": {"libtorrent"},
}
"""Of the heavy modules, what a command cannot do without when nothing is a terminal."""


def counted(user: Memocast, *command: str, expect: int | None = 0) -> dict[str, Any]:
    """What a command did, which ended with that exit code."""
    target = user.home / "counts.json"
    done = subprocess.run(
        [sys.executable, COST_METER, target, *command],
        env=user.environment,
        cwd=user.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert expect is None or done.returncode == expect, done.stderr.decode()
    found: dict[str, Any] = json.loads(target.read_text())
    return found


def test_importing_typer_is_most_of_what_a_command_imports(anna: Memocast) -> None:
    typer = subprocess.run(
        [sys.executable, "-c", "import typer, sqlite3, json, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    anna.run("list")
    modules = set(counted(anna, "list", "--limit", "20")["modules"]) - set(typer)
    packages = {name for name in modules if (ROOT / name.replace(".", "/")).is_dir()}
    assert len(modules - packages) < 49, sorted(modules - packages)


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["list", "word"],
        ["show", "latest"],
        ["edit", "latest", "--title", "Other"],
        ["remove", "latest", "--yes"],
        ["export", "latest", "-o", "-"],
        ["share", "latest", "--no-seed"],
        ["unshare", "latest"],
        ["status"],
        ["seed", "--stop"],
        ["devices"],
        ["page", "there"],
        ["--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_command_imports_only_what_it_cannot_do_without(
    anna: Memocast, opus: Path, command: list[str]
) -> None:
    anna.add(opus)
    modules = counted(anna, *command, expect=None)["modules"]
    heavy = {name.partition(".")[0] for name in modules} & HEAVY
    assert heavy <= NEEDED.get(command[0], set())
    families = {name for name in modules if name.removeprefix("memocast.cli.commands.") in FAMILIES}
    assert len(families) <= (len(FAMILIES) if command == ["--help"] else 1)


def test_fetching_a_memo_of_ours_takes_no_decoder(
    anna: Memocast, ben: Memocast, opus: Path
) -> None:
    link = anna.run("share", anna.add(opus), "--direct").out.strip()
    modules = counted(ben, "fetch", link)["modules"]
    assert {name.partition(".")[0] for name in modules} & HEAVY == NEEDED["fetch"]


DECODERS = {"numpy", "soundfile", "av", "mutagen", "wave"}


def test_no_command_decodes_or_parses_audio_in_its_own_process(
    anna: Memocast, ben: Memocast, opus: Path, flac: Path, speech: Path
) -> None:
    link = anna.run("share", anna.add(flac), "--direct").out.strip()
    commands = [["add", str(path)] for path in (opus, flac, speech)]
    commands += [["export", "latest", "--tags", "-o", "tagged"], ["fetch", link]]
    for command in commands:
        modules = {name.partition(".")[0] for name in counted(ben, *command)["modules"]}
        assert not modules & DECODERS, command


LONG = 40_000_000

SIZES = (1_000, 4_000)
"""Databases so large that a command leaves copying them to a process of its own."""

COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "list --limit": lambda _: ["list", "--limit", "20"],
    "list QUERY --limit": lambda _: ["list", "--limit", "20", COMMON],
    "list RARE": lambda _: ["list", RARE],
    "show": lambda memo: ["show", memo],
    "show PREFIX": lambda memo: ["show", memo[:7]],
    "show latest": lambda _: ["show", "latest"],
    "edit": lambda memo: ["edit", memo, "--title", "Other"],
    "share": lambda memo: ["share", memo, "--no-seed"],
    "unshare": lambda memo: ["unshare", memo],
    "export": lambda memo: ["export", memo, "-o", "-"],
    "status": lambda _: ["status"],
    "seed --stop": lambda _: ["seed", "--stop"],
    "identity": lambda _: ["identity"],
    "remove": lambda memo: ["remove", memo, "--yes"],
}


@pytest.mark.full
@pytest.mark.long
def test_a_command_reads_no_more_in_a_library_of_four_times_as_many_memos(
    memocast: Callable[..., Memocast], tmp_path: Path, speech: Path
) -> None:
    sound = encoded(speech, tmp_path / "short.opus", format="OGG", subtype="OPUS")
    commands = dict(list(COMMANDS.items())[:: scaled(1, 4)])
    found: list[dict[str, dict[str, Any]]] = []
    for size in SIZES:
        library = tmp_path / str(size)
        fill(library, sound, size, shared=10)
        user = memocast(f"of {size}", MEMOCAST_LIBRARY=str(library))
        user.run("list", "--limit", "1")  # whatever has to be put in order is by now
        memos = user.run("list", "--limit", str(len(commands))).out.splitlines()
        found.append(
            {
                name: counted(user, *arguments(memo.split("\t")[0]))
                for memo, (name, arguments) in zip(memos, commands.items(), strict=True)
            }
        )
    for name in commands:
        few, many = (counts[name] for counts in found)
        assert many["statements"] == few["statements"], name
        assert many["rows"] <= few["rows"] + 20, f"{name}: that a limit allows"
        assert many["steps"] <= 2 * few["steps"] + 1_000, f"{name}: an index is deeper, at most"


@pytest.fixture
def long_wav(tmp_path: Path) -> Path:
    """A WAV file of `LONG` bytes of silence and a header."""
    with soundfile.SoundFile(tmp_path / "long.wav", "w", 48_000, 1, "PCM_16") as file:
        file.buffer_write(bytes(LONG), "int16")
    return tmp_path / "long.wav"


def bytes_read(user: Memocast, *command: str) -> int:
    """How many more the command read than one that has to do with no audio."""
    return int(counted(user, *command)["read"]) - int(counted(user, "list")["read"])


def test_a_share_reads_nothing_of_the_audio_that_was_hashed_when_it_came_in(
    anna: Memocast, long_wav: Path
) -> None:
    memo = anna.add(long_wav)
    read = bytes_read(anna, "share", memo, "--no-seed")
    assert read < LONG / 4, "libtorrent itself is a few megabytes"


def test_a_memo_that_comes_in_is_hashed_in_one_go(anna: Memocast, long_wav: Path) -> None:
    assert bytes_read(anna, "add", str(long_wav)) < 3.5 * LONG, "copied, decoded, hashed"


def test_a_memo_that_is_fetched_is_hashed_by_the_swarm_alone(
    anna: Memocast, ben: Memocast, long_wav: Path
) -> None:
    link = anna.run("share", anna.add(long_wav), "--direct").out.strip()
    assert bytes_read(ben, "fetch", link) < LONG / 4


def test_an_idle_seeder_sleeps(anna: Memocast, opus: Path) -> None:
    anna.run("share", anna.add(opus), "--direct")
    wait_for("the seeder", lambda: (anna.seeder() or {}).get("seeding") == 1)
    report = anna.seeder()
    processes = [report["pid"], report["session_pid"]]

    def wake_ups() -> int:
        found = 0
        for process in processes:
            for thread in Path(f"/proc/{process}/task").iterdir():
                lines = (thread / "status").read_text().splitlines()
                status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
                found += int(status["voluntary_ctxt_switches"])
        return found

    before = wake_ups()
    begun = time.monotonic()
    pause(2)
    assert wake_ups() - before < 60 * (time.monotonic() - begun)
