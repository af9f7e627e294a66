"""Run the rows that were asked for, one after the other, and write what was found."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import report
from bench.contest import Failed, Unavailable
from bench.world import World

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"
ROWS = (
    "startup",
    "listing",
    "sharing",
    "sealed",
    "fetching",
    "large",
    "distant",
    "playing",
    "dht",
    "channels",
    "seeding",
    "swarm",
    "recording",
    "installing",
    "complexity",
)
"""Modules of `rows`, each with TITLE, PEERS (commands that print a version) and `measure`."""


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests/bench/run", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="these rows only")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    parser.add_argument("--quick", action="store_true", help="few rounds, to a file of its own")
    options = parser.parse_args()
    # Whatever ends us, what a row has started is ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = options.rows or ROWS
    if unknown := set(names) - set(ROWS):
        parser.error(f"there is no such row: {', '.join(sorted(unknown))}")
    rows = {name: importlib.import_module(f"bench.rows.{name}") for name in ROWS}
    if options.list:
        for name, row in rows.items():
            print(f"{name:12} {row.TITLE}")
        return 0
    target = DOCS / "performance.json"
    if options.quick:
        target = Path(tempfile.gettempdir()) / "memocast-bench.json"
    measured: dict[str, Any] = json.loads(target.read_text()) if target.exists() else {}
    for name in names:
        print(f"== {name}: {rows[name].TITLE}", file=sys.stderr)
        measured[name] = _measured(rows[name], quick=options.quick)
        for outcome in measured[name].get("outcomes", []):
            print("\n".join(report.table(report.Outcome.from_json(outcome))))
        if "skipped" in measured[name]:
            print(f"skipped: {measured[name]['skipped']}")
        # After every row: what an hour has found is not lost with the next one.
        target.write_text(json.dumps(measured, indent=1) + "\n")
        if not options.quick:
            page = DOCS / "performance.md"
            titles = {row: module.TITLE for row, module in rows.items()}
            page.write_text(report.page(page.read_text(), measured, titles))
    return 0


def _measured(row: ModuleType, *, quick: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()},"
        f" Python {platform.python_version()}",
        "versions": {peer: version for peer in row.PEERS if (version := _version(row.PEERS[peer]))},
    }
    folder = Path(tempfile.mkdtemp(prefix="memocast-bench-"))
    try:
        found["outcomes"] = [outcome.to_json() for outcome in row.measure(World(folder, quick))]
    except (Unavailable, Failed) as reason:
        found["skipped"] = str(reason)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = f"{done.stdout}\n{done.stderr}".split()
    numbered = [word.strip(",;()v") for word in words if any(c.isdigit() for c in word)]
    return numbered[0] if done.returncode in (0, 1) and numbered else ""


if __name__ == "__main__":
    sys.exit(main())
