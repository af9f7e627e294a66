"""How long until the newest memos are listed, or those with a word, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import libraries, peers
from bench.contest import Contender, Outcome, Target, compete, seconds
from bench.world import MEMOCAST, PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from bench.world import World

TITLE = "Listing and searching"
PEERS = peers.TORF | peers.WORMHOLE | peers.WEBTORRENT

_SIZES = (100_000, 10_000, 100)
_QUICK_SIZES = (10_000, 1_000, 100)
_QUERIES = {
    "The twenty newest": [],
    "Twenty with a word that three memos have": [libraries.RARE],
    "Twenty with a word that most memos have": [libraries.COMMON],
}
_TYPER = "python -c 'import typer'"


def measure(world: World) -> list[Outcome]:
    """`list --limit 20`, with and without a query, beside what peers take for their version."""
    sizes = _QUICK_SIZES if world.quick else _SIZES
    roots = {size: libraries.filled(world, size) for size in sizes}
    others = {
        _TYPER: [PYTHON, "-c", "import typer"],
        **{f"{name} --version": command for name, command in PEERS.items()},
    }
    return [_outcome(world, title, query, roots, others) for title, query in _QUERIES.items()]


def _outcome(
    world: World,
    title: str,
    query: list[str],
    roots: dict[int, Path],
    others: dict[str, list[str]],
) -> Outcome:
    listing = [MEMOCAST, "list", "--limit", "20", *query]
    ours = {f"memocast, {size:,} memos": root for size, root in roots.items()}
    contenders = [
        Contender(name, lambda root=root: 1000 * seconds(listing, world.environment(root)))
        for name, root in ours.items()
    ]
    contenders += [
        Contender(name, lambda command=command: 1000 * seconds(command, world.environment()))
        for name, command in others.items()
    ]
    samples, absent = compete(contenders, world.rounds(15))
    largest, *_, smallest = ours
    targets = [Target(name, _TYPER, 1.5) for name in ours]
    targets.append(Target(largest, smallest, 1.1))
    targets += [Target(largest, peer, 1) for peer in others if peer != _TYPER]
    return Outcome(title, "ms", samples, targets, absent)
