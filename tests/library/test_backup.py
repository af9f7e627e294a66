"""A backup of a library in use, made as the README says."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from helpers.processes import running
from helpers.programs import needs
from helpers.repository import README
from helpers.shared_memo import sha256
from helpers.waiting import DEADLINE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


def documented_commands(source: Path, target: Path) -> str:
    """The README's lines, with other folders in them."""
    (block,) = re.findall(r"```sh\n(from=.*?)```", README, re.DOTALL)
    first, rest = block.split("\n", 1)
    assert first == "from=~/.local/share/memocast to=/mnt/backup/memocast"
    return f"from='{source}' to='{target}'\n{rest}"


@pytest.mark.full
def test_a_backup_made_while_the_library_is_in_use_is_whole(
    memocast: Callable[..., Memocast], anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    needs("sqlite3")
    kept = {anna.add(opus, title=f"Kept {number}") for number in range(3)}
    anna.run("share", *kept, "--no-seed")

    def come_and_go(number: int) -> None:
        for turn in range(2):
            memo = anna.add(opus, title=f"Worker {number} turn {turn}")
            anna.run("edit", memo, "-d", "x" * 5000)
            anna.run("remove", memo, "--yes")

    with ThreadPoolExecutor(2) as workers:
        running = [workers.submit(come_and_go, number) for number in range(2)]
        for number in range(2):
            script = documented_commands(anna.library, tmp_path / f"copy {number}")
            # A memo that is removed while 'cp' lists the folder is no failure.
            assert "Error" not in anna.shell(f"{script}\ntrue").err
        for worker in running:
            worker.result()
    for number in range(2):
        copy = memocast(f"copy of {number}", MEMOCAST_LIBRARY=str(tmp_path / f"copy {number}"))
        copy.library = tmp_path / f"copy {number}"
        with closing(sqlite3.connect(copy.library / "library.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        listed = copy.run("list", "--json")
        assert listed.err == ""
        assert kept <= {memo["id"] for memo in listed.json}
        for memo in kept:
            assert sha256(copy.audio(memo)) == sha256(opus)
            assert copy.show(memo)["info_hash"] == anna.show(memo)["info_hash"]


def test_a_backup_waits_while_a_command_has_the_database_for_itself(
    memocast: Callable[..., Memocast], anna: Memocast, opus: Path, tmp_path: Path
) -> None:
    # As the last one that closes it does, for a moment.
    memo = anna.add(opus)
    target = tmp_path / "copy"
    script = documented_commands(anna.library, target)
    with closing(sqlite3.connect(anna.library / "library.db")) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN IMMEDIATE")
        process = subprocess.Popen(["sh", "-c", script], stderr=subprocess.PIPE, text=True)
        with running(process):
            wait_for(
                "it to find the database locked, or to end",
                lambda: process.poll() is not None or (target / "library.db").exists(),
            )
            database.rollback()
            database.close()
            _, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (0, "")
    copy = memocast("copy", MEMOCAST_LIBRARY=str(target))
    assert [found["id"] for found in copy.run("list", "--json").json] == [memo]
