"""A backup of a library in use, made as the README says."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from conftest import Memocast, needs
from test_docs import README
from transfer import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def documented_commands(source: Path, target: Path) -> str:
    """The README's lines, with other folders in them."""
    (block,) = re.findall(r"```sh\n(from=.*?)```", README, re.DOTALL)
    first, rest = block.split("\n", 1)
    assert first == "from=~/.local/share/memocast to=/mnt/backup/memocast"
    return f"from='{source}' to='{target}'\n{rest}"


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
            anna.shell(f"{script}\ntrue")
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
