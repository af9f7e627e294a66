"""Whether what the seeder's processes hold grows with what befalls them.

Each process is looked at from its own beginning to its end. Once it is warm, what it holds at rest
(the lower fifth of some events in a row: meanwhile there are peers) is what counts.

Memory that is lost with each event, or with each of a kind, is lost in most hundreds of events, in
which each kind occurs. What is needed once, for the largest answer of a tracker so far or for more
memos at once than ever, comes in steps with long rests in between, and stays: a heap keeps what it
has had. So the growth of memory is the median of what it grew from each hundred to the next.
Descriptors and threads are given back at once: a line is fitted to them, which has one slope for
all processes of a kind and a level for each.

It grows when that, less its uncertainty, is more than ALLOWED; it is flat when it is less with its
uncertainty added. Else there were too few events to tell. Each new process should begin where the
last one did, too: the levels of processes of the same age are fitted by a line in the same way.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from helpers.soak.journal import Journal, Line

ALLOWED = {"private_kb": 1.0, "resident_kb": 2.0, "descriptors": 0.01, "threads": 0.002}
ALLOWED["children"] = ALLOWED["threads"]
"""Of each measure, what an event may add: 18 MB of memory a day where six hours have 4,500 peers,
which a week's seeder would survive, and of what is limited by the system as good as nothing: ten
descriptors in a thousand events are within what peers hold at one moment and not at another."""

_OFFERS = 2
"""So much more of descriptors may be added in the worker for browsers. It has twenty for each memo
that it offers at the moment, from none to ten, so that less could not be told from nothing."""

_WARM = {"private_kb": 1_000, "resident_kb": 1_000}
"""Events after which a process has met most of what there is: its modules are loaded, libtorrent's
buffers and lists of peers and DHT nodes are filled, it has seeded as many memos at once as it ever
will, and what it frees is where it allocates next. Measured: the memory of the worker for browsers
grows from 26 to 37 MB in its first 500 to 800 events, in steps with the number of memos."""

_WARM_OTHERS = 100

_BLOCK = 20
_MEMORY_BLOCK = 100
"""In which each kind of event but kills occurs."""

_FEWEST = 8
_OF_MEDIAN = 1.86
"""The standard error of a median, of median absolute deviations and the root of their number, as of
a normal distribution."""

_SURE = 3.0
"""Standard errors on both sides. What is left over from one event is there in the next as well, so
that two would be too few."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Trend:
    """How a measure of a process goes on with the events, and how sure that is."""

    process: str
    measure: str
    slope: float
    unsure: float
    level: float = 0.0

    @property
    def word(self) -> str:
        """`flat`, `grows`, or `too short to tell`."""
        allowed = ALLOWED[self.measure] * (_OFFERS if self._is_of_offers else 1)
        if self.slope - self.unsure > allowed:
            return "grows"
        return "flat" if self.slope + self.unsure <= allowed else "too short to tell"

    @property
    def _is_of_offers(self) -> bool:
        return (self.process, self.measure) == ("web", "descriptors")

    def line(self) -> str:
        """It in words."""
        unsure = "?" if math.isinf(self.unsure) else f"{self.unsure:.4f}"
        return (
            f"{self.process:20} {self.measure:12} {self.level:10,.0f}"
            f" {self.slope:+9.4f} ± {unsure:8} an event: {self.word}"
        )


@dataclass(frozen=True)
class Verdict:
    """What came of a soak."""

    events: Counter[str]
    hours: float
    processes: Counter[str]
    failures: list[Line]
    slowest: dict[str, float]
    trends: list[Trend]

    @property
    def exit_code(self) -> int:
        """0 all is well; 1 something failed or grows; 3 it was too short to tell."""
        words = {trend.word for trend in self.trends}
        if self.failures or "grows" in words:
            return 1
        return 0 if words == {"flat"} else 3

    def lines(self) -> list[str]:
        """It in words."""
        trends = [trend.line() for trend in self.trends]
        return [
            f"{self.events.total():,} events in {self.hours:.2f} h: "
            + ", ".join(f"{count:,} {name}" for name, count in self.events.most_common()),
            "processes: " + ", ".join(f"{n} {name}" for name, n in sorted(self.processes.items())),
            "slowest fetch after: "
            + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.slowest.items()),
            *trends,
            *(f"FAILED: event {one['number']}, {one['name']}" for one in self.failures),
            {0: "all is well", 1: "NOT WELL", 3: "nothing found, but too short to tell"}[
                self.exit_code
            ],
        ]


def judge(journal: Journal) -> Verdict:
    """Judge all runs that the journal knows of."""
    done = journal.of("event")
    lives = lives_of(journal)
    slowest: dict[str, float] = {}
    for line in done:
        if "fetched_s" in line:
            slowest[line["name"]] = max(slowest.get(line["name"], 0.0), line["fetched_s"])
    return Verdict(
        events=Counter(line["name"] for line in done),
        hours=journal.seconds / 3600,
        processes=Counter({process: len(found) for process, found in lives.items()}),
        failures=[line for line in done if "failed" in line],
        slowest=slowest,
        trends=[trend for process, found in lives.items() for trend in trends(process, found)],
    )


def lives_of(journal: Journal) -> dict[str, list[list[Line]]]:
    """By kind of process, the lives of all that there were: the event and what it held."""
    lives: dict[str, list[list[Line]]] = {}
    last: dict[str, int] = {}
    for line in journal.lines:
        if line["is"] == "start":
            last.clear()
        elif line["is"] == "sample":
            for process, held in line["held"].items():
                if last.get(process) != held["pid"]:
                    last[process] = held["pid"]
                    lives.setdefault(process, []).append([])
                lives[process][-1].append({"event": line["event"], "at": line["at"], **held})
    return lives


def trends(process: str, lives: Sequence[Sequence[Line]]) -> Iterable[Trend]:
    """How each measure goes on within lives, and from one to the next where there are enough."""
    for measure in ALLOWED:
        series = [_at_rest(life, measure) for life in lives]
        long = [points for points in series if len(points) > 1]
        yield (_stepwise if measure in _WARM else _fitted)(process, measure, long)
        young = [points[0] for points in series if points]
        if len(young) > 5:
            yield _fitted(f"each new {process}", measure, [young])


def _at_rest(life: Sequence[Line], measure: str) -> list[Point]:
    """What a warm process holds at rest, in blocks of events."""
    begin = life[0]["event"] + _WARM.get(measure, _WARM_OTHERS)
    warm = [line for line in life if line["event"] >= begin]
    size = _MEMORY_BLOCK if measure in _WARM else _BLOCK
    blocks = [warm[start : start + size] for start in range(0, len(warm) - size + 1, size)]
    return [
        (
            statistics.fmean(line["event"] for line in block),
            sorted(line[measure] for line in block)[size // 5],
        )
        for block in blocks
    ]


def _stepwise(process: str, measure: str, series: Sequence[Sequence[Point]]) -> Trend:
    """The median of what was added from one block to the next, by event."""
    added = [
        (y - before) / (x - then)
        for points in series
        for (then, before), (x, y) in itertools.pairwise(points)
    ]
    level = max((y for points in series for _, y in points), default=0.0)
    if len(added) < _FEWEST:
        return Trend(process, measure, 0.0, math.inf, level)
    slope = statistics.median(added)
    spread = statistics.median(abs(one - slope) for one in added)
    return Trend(
        process, measure, slope, _SURE * _OF_MEDIAN * spread / math.sqrt(len(added)), level
    )


def _fitted(process: str, measure: str, series: Sequence[Sequence[Point]]) -> Trend:
    """Least squares: one slope for all series, and a level for each."""
    centred = []
    for points in series:
        x0 = statistics.fmean(x for x, _ in points)
        y0 = statistics.fmean(y for _, y in points)
        centred += [(x - x0, y - y0) for x, y in points]
    level = max((y for points in series for _, y in points), default=0.0)
    spread = sum(x * x for x, _ in centred)
    freedom = len(centred) - len(series) - 1
    if freedom < 2 or not spread:
        return Trend(process, measure, 0.0, math.inf, level)
    slope = sum(x * y for x, y in centred) / spread
    rest = sum((y - slope * x) ** 2 for x, y in centred)
    # With few blocks chance does more, as Student's t says; this is near its values.
    sure = _SURE * (1 + 9 / freedom**1.5)
    return Trend(process, measure, slope, sure * math.sqrt(rest / freedom / spread), level)
