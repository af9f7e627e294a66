"""How long until a command that does nothing has done it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import peers
from bench.contest import Contender, Outcome, Target, compete, seconds
from bench.world import MEMOCAST, PYTHON

if TYPE_CHECKING:
    from bench.world import World

TITLE = "Starting"
PEERS = peers.MEMOCAST


def measure(world: World) -> list[Outcome]:
    """`--version` and `--help`, beside Python alone and with typer."""
    commands = {
        "memocast --version": [MEMOCAST, "--version"],
        "memocast --help": [MEMOCAST, "--help"],
        "python -c pass": [PYTHON, "-c", "pass"],
        "python -c 'import typer'": [PYTHON, "-c", "import typer"],
    }
    environment = world.environment()
    contenders = [
        Contender(name, lambda command=command: 1000 * seconds(command, environment))
        for name, command in commands.items()
    ]
    samples, absent = compete(contenders, world.rounds(40), warm_up=3)
    version, help_, bare, typer = commands
    targets = [Target(version, bare, 8), Target(version, typer, 1.3), Target(help_, typer, 1.6)]
    return [Outcome("A whole process", "ms", samples, targets, absent)]
