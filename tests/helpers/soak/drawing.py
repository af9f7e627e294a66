"""What a soak's processes held, as a picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from helpers.soak.verdict import lives_of

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.soak.journal import Journal
    from helpers.soak.verdict import Verdict

_MOST_POINTS = 800
"""Of each line: more could not be seen."""

_ROWS = (
    ("private_kb", "private memory, MB", 1 / 1024),
    ("descriptors", "descriptors", 1),
    ("threads", "threads", 1),
)
_COLOURS = dict(
    zip(("supervisor", "classic", "web", "lan"), ("gray", "blue", "orange", "green"), strict=True)
)


def draw(journal: Journal, verdict: Verdict, picture: Path) -> None:
    """Draw it; the same journal gives the same file. Needs the packages of `.[bench]`."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        print("no drawing: pip install -e '.[bench]', and run it again", file=sys.stderr)
        return
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "memocast"
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(len(_ROWS), figsize=(10, 8), sharex=True, layout="constrained")
    every = max(1, verdict.events.total() // _MOST_POINTS)
    for axes, (measure, label, unit) in zip(rows, _ROWS, strict=True):
        for process, colour in _COLOURS.items():
            for number, life in enumerate(lives_of(journal).get(process, [])):
                points = life[::every]
                axes.plot(
                    [point["event"] for point in points],
                    [point[measure] * unit for point in points],
                    color=f"tab:{colour}",
                    linewidth=1,
                    label=None if number else process,
                )
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
        axes.grid(visible=True, alpha=0.3)
    rows[0].set_title(
        f"The seeder's processes in {verdict.events.total():,} events, {verdict.hours:.1f} hours;"
        " a line ends where its process was killed",
        fontsize=10,
    )
    rows[0].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small", frameon=False)
    rows[-1].set_xlabel("events")
    rows[-1].xaxis.set_major_formatter("{x:,.0f}")
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)
