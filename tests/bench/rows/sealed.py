"""What it costs that a memo is private: against the same memo, shared with everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import libraries, peers
from bench.contest import Contender, Outcome, compete, seconds
from bench.seeder import seeding
from bench.world import MEMOCAST

if TYPE_CHECKING:
    from pathlib import Path

    from bench.world import World

TITLE = "Private memos"
PEERS = peers.MEMOCAST

_MODES = ("--public", "--private")
_SIZE = 20_000_000


def measure(world: World) -> list[Outcome]:
    """The first `share` of a memo of 20 MB, and `fetch` of it, in both modes."""
    recorded = world.folder / "recorded"
    world.output(recorded, "add", str(world.wav(_SIZE)))
    shares = [
        Contender(f"share {mode}", lambda mode=mode: _share(world, recorded, mode))
        for mode in _MODES
    ]
    samples, absent = compete(shares, world.rounds(15))
    outcomes = [Outcome("Making the link of 20 MB", "ms", samples, absent=absent)]
    with seeding(world, recorded):
        links = {
            mode: world.output(recorded, "share", "latest", mode, "--direct") for mode in _MODES
        }
        fetches = [
            Contender(f"fetch, of {mode}", lambda link=link: _fetch(world, link))
            for mode, link in links.items()
        ]
        samples, absent = compete(fetches, world.rounds(15))
    return [*outcomes, Outcome("Fetching 20 MB on loopback", "ms", samples, absent=absent)]


def _share(world: World, recorded: Path, mode: str) -> float:
    with world.scratch() as folder:
        library = libraries.copy(recorded, folder / "library")
        command = [MEMOCAST, "share", "latest", mode, "--no-seed"]
        return 1000 * seconds(command, world.environment(library))


def _fetch(world: World, link: str) -> float:
    with world.scratch() as folder:
        environment = world.environment(folder / "library")
        return 1000 * seconds([MEMOCAST, "fetch", link], environment)
