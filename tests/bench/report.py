"""docs/performance.md: the tables, between the account that people write around them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from bench.contest import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN = "<!-- measured: written by tests/bench/run -->"
END = "<!-- end of what was measured -->"


def page(before: str, measured: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The page `before`, with all tables in it renewed. `measured` is docs/performance.json."""
    head, _, rest = before.partition(BEGIN)
    tail = rest.partition(END)[2]
    parts = [BEGIN, ""]
    for name, title in titles.items():
        if name in measured:
            parts += [f"### {title}", "", *_row(name, measured[name])]
    return head + "\n".join([*parts, END]) + tail


def _row(name: str, row: Mapping[str, Any]) -> list[str]:
    where = f"{row['date']}, {row['machine']}"
    lines = [f"`tests/bench/run {name}` · {where}", ""]
    if row["versions"]:
        lines += [", ".join(f"{peer} {version}" for peer, version in row["versions"].items()), ""]
    if "skipped" in row:
        return [*lines, f"**Skipped**: {row['skipped']}", ""]
    for document in row["outcomes"]:
        lines += table(Outcome.from_json(document))
    return lines


def table(outcome: Outcome) -> list[str]:
    """Markdown: each contender's median and spread, its ratio to ours, and what was reached."""
    lines = [f"**{outcome.title}**", ""]
    if outcome.samples:
        ours = next(iter(outcome.samples))
        lines += [
            f"| | median, {outcome.unit} | quartiles | runs | × {ours} |",
            "|---|---|---|---|---|",
        ]
        for name, samples in outcome.samples.items():
            ratio = outcome.median(name) / outcome.median(ours) if outcome.median(ours) else 0.0
            low, high = _quartiles(samples)
            lines.append(
                f"| {name} | {_figure(outcome.median(name))} | {_figure(low)}–{_figure(high)}"
                f" | {len(samples)} | {ratio:.2f} |"
            )
        lines.append("")
    lines += [f"* not measured: {name}: {reason}" for name, reason in outcome.absent.items()]
    for target in outcome.targets:
        if target.ours not in outcome.samples or target.base not in outcome.samples:
            continue
        ratio = target.ratio(outcome)
        verdict = "reached" if ratio <= target.limit else "**not reached**"
        lines.append(
            f"* {target.ours}: {ratio:.2f} × {target.base}, wanted at most {target.limit:g} ×:"
            f" {verdict}"
        )
    lines += [f"* {note}" for note in outcome.notes]
    return [*lines, ""]


def _quartiles(samples: list[float]) -> tuple[float, float]:
    if len(samples) < 2:
        return samples[0], samples[0]
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return first, third


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"
