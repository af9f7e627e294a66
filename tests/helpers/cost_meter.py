"""A command that counts what it does: `python cost_meter.py FILE COMMAND…` writes them to FILE.

modules     the names of all that were imported
statements  of SQL that were run
steps       of SQLite's virtual machine, which visits every row by some
rows        that Python was given
read        bytes, by this process from files and pipes
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any, Self

counts = {"statements": 0, "steps": 0, "rows": 0}


class CountedRow(sqlite3.Row):
    """A row that is counted."""

    def __new__(cls, *arguments: Any) -> Self:
        """One more was read."""
        counts["rows"] += 1
        return super().__new__(cls, *arguments)


def count(name: str) -> int:
    """One more of these; 0 has SQLite go on."""
    counts[name] += 1
    return 0


def note(statement: str) -> None:
    """One more statement, unless it is of SQLite's own: the full-text index keeps its tables so."""
    if "memo_text_" not in statement and not statement.startswith("--"):
        counts["statements"] += 1


def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
    """A connection that counts."""
    connection = real_connect(*arguments, **options)
    connection.set_trace_callback(note)
    connection.set_progress_handler(lambda: count("steps"), 1)
    return connection


def main(target: Path, command: list[str]) -> int:
    """Run the command; return its exit code."""
    sqlite3.connect = connect  # type: ignore[assignment]
    sqlite3.Row = CountedRow  # type: ignore[misc]
    from memocast.cli import main as run

    before = set(sys.modules)
    code = run(command)
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    modules = sorted(set(sys.modules) | before)
    target.write_text(json.dumps({**counts, "modules": modules, "read": int(io["rchar"])}))
    return code


real_connect = sqlite3.connect

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
