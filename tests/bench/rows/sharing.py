"""How long from asking for a recorded memo's link to having it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import libraries, peers
from bench.contest import Contender, Outcome, Target, compete, seconds
from bench.seeder import seeding
from bench.world import MEMOCAST, PYTHON

if TYPE_CHECKING:
    from pathlib import Path

    from bench.world import World

TITLE = "Sharing"
PEERS = peers.TORF | peers.MKTORRENT | peers.TRANSMISSION

_OURS = "memocast share"
_TYPER = "python -c 'import typer'"
_ROUNDS = {20_000_000: 10, 1_000_000_000: 4}
_QUICK_ROUNDS = {20_000_000: 3, 100_000_000: 2}
_NOBODY = "http://127.0.0.1:1/announce"
"""mktorrent makes no torrent without a tracker, and speaks to none."""


def measure(world: World) -> list[Outcome]:
    """The first `share` of a memo while the seeder runs, beside making the file's torrent."""
    rounds = _QUICK_ROUNDS if world.quick else _ROUNDS
    return [_outcome(world, size, count) for size, count in rounds.items()]


def _outcome(world: World, size: int, rounds: int) -> Outcome:
    audio = world.wav(size)
    recorded = world.folder / f"recorded-{size}"
    world.output(recorded, "add", str(audio))
    torrent = world.folder / "made.torrent"
    makers = {
        "torf": ["torf", "--yes", "--out", torrent, audio],
        "mktorrent": ["mktorrent", "-a", _NOBODY, "-o", torrent, audio],
        "transmission-create": ["transmission-create", "-o", torrent, audio],
    }
    environment = world.environment()
    typer = [PYTHON, "-c", "import typer"]
    contenders = [
        Contender(_OURS, lambda: _first_share(world, recorded)),
        Contender(_TYPER, lambda: 1000 * seconds(typer, environment)),
    ]
    contenders += [
        Contender(name, lambda command=command: _making(command, torrent, environment))
        for name, command in makers.items()
    ]
    samples, absent = compete(contenders, rounds)
    targets = [Target(_OURS, _TYPER, 2), *(Target(_OURS, maker, 1) for maker in makers)]
    notes = [
        "memocast has never shared the memo before, and its seeder runs; its time ends with the"
        " link on standard output, that of the others with the .torrent"
    ]
    return Outcome(f"A memo of {size / 1e6:,.0f} MB", "ms", samples, targets, absent, notes)


def _first_share(world: World, recorded: Path) -> float:
    with world.scratch() as folder:
        library = libraries.copy(recorded, folder / "library")
        with seeding(world, library):
            return 1000 * seconds([MEMOCAST, "share", "latest"], world.environment(library))


def _making(command: list[str | Path], torrent: Path, environment: dict[str, str]) -> float:
    torrent.unlink(missing_ok=True)
    return 1000 * seconds(command, environment)
