"""The figures of one harness, kept in a file, so that another process can go on."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TAIL_BYTES = 1 << 13


@dataclass
class Figures:
    """What was done, and what came of it.

    `seconds` are of all processes together, `processor` of their processor time; `edges` are the
    branches that were reached, as libFuzzer counts them. `outcomes` are by target and outcome,
    `ends` are processes that an input ended, `commits` the seconds spent on each.
    """

    inputs: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    edges: int = 0
    slowest: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    commits: Counter[str] = field(default_factory=Counter)


def read(folder: Path) -> Figures:
    """Return the figures in a harness's folder; those of nothing if there are none."""
    try:
        said = json.loads((folder / "figures.json").read_bytes())
    except FileNotFoundError:
        return Figures()
    counted = {name: Counter(said.pop(name)) for name in ("outcomes", "ends", "commits")}
    return Figures(**said, **counted)


def write(folder: Path, figures: Figures) -> None:
    """Put the figures in place whole."""
    beside = folder / "figures.json.new"
    beside.write_text(json.dumps(vars(figures), indent=1))
    beside.replace(folder / "figures.json")


def edges_in(log: Path) -> int:
    """Return the number of branches reached that libFuzzer printed last."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
        found = re.findall(rb"^#[0-9]+\t.* cov: ([0-9]+)", file.read(), re.MULTILINE)
    return int(found[-1]) if found else 0


def findings(folder: Path) -> list[Path]:
    """Return the files of findings: inputs whose traceback is beside them, or that ended it."""
    return sorted(path for path in (folder / "findings").glob("*") if path.suffix != ".txt")


def table(folders: Iterable[Path]) -> str:
    """Return the figures as a table in Markdown, and the outcomes below it."""
    rows = [
        "| harness | minutes | of a core | inputs | branches | corpus | slowest | findings"
        " | commit |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    below = []
    for folder in folders:
        found = read(folder)
        corpus = [path.stat().st_size for path in (folder / "corpus").glob("*")]
        cells = [
            folder.name,
            f"{found.seconds / 60:,.1f}",
            f"{found.processor / 60:,.1f}",
            f"{found.inputs:,}",
            f"{found.edges:,}",
            f"{len(corpus):,} files, {sum(corpus) / 1000:,.0f} kB",
            f"{found.slowest:.1f} s",
            f"{len(findings(folder))}",
            ", ".join(commit for commit, _ in found.commits.most_common()),
        ]
        rows.append(f"| {' | '.join(cells)} |")
        said = [
            f"{name} {count:,}"
            for name, count in sorted(found.outcomes.items()) + sorted(found.ends.items())
        ]
        below.append(f"{folder.name}: {'; '.join(said)}.")
    return "\n".join([*rows, "", *below])
