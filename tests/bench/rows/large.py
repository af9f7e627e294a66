"""How long a gigabyte takes, which is more than ten hours of Opus, or three of WAV."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from bench import fetchers, peers
from bench.contest import Contender, Outcome, Target, Unavailable, compete, seconds
from bench.island import island

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.world import World

TITLE = "Fetching 1 GB"
PEERS = peers.ARIA2 | peers.TRANSMISSION | peers.WEBTORRENT | peers.WORMHOLE

_OURS = "memocast fetch --peer"
_SIZE = 1_000_000_000
_QUICK_SIZE = 100_000_000
_ROUNDS = 3
_LIMIT = 300.0
_COPIES = 4
"""The WAV, the memo, what one attempt brings, and a margin."""


def measure(world: World) -> list[Outcome]:
    """A large memo from a seeder on loopback, and reading and writing as much without one."""
    size = _QUICK_SIZE if world.quick else _SIZE
    free = shutil.disk_usage(world.folder).free
    if free < _COPIES * size:
        raise Unavailable(
            f"it takes {_COPIES * size / 1e9:g} GB of disk, and {free / 1e9:.1f} are free"
        )
    audio = world.wav(size)
    with (
        island() as host,
        host.entered(),
        fetchers.offered(world, host, audio, _LIMIT) as offer,
        fetchers.wormhole(offer) as by_wormhole,
    ):
        attempts: dict[str, Callable[[], float]] = {
            _OURS: offer.by_peer,
            "libtorrent alone": offer.bare,
            "aria2c, .torrent": lambda: offer.by_aria2(offer.torrent),
            "transmission-cli, .torrent": offer.by_transmission,
            "webtorrent-cli": offer.by_webtorrent,
            "magic-wormhole": by_wormhole,
            "cp and sha1sum": lambda: _copy(world, audio),
        }
        contenders = [
            Contender(name, lambda attempt=attempt: _alone(attempt))
            for name, attempt in attempts.items()
        ]
        # A warm-up would take minutes, and save a hundred milliseconds.
        rounds = 1 if world.quick else _ROUNDS
        samples, absent = compete(contenders, rounds, warm_up=0)
    ours, bare, *others, copying = attempts
    targets = [Target(ours, peer, 1) for peer in others]
    notes = [
        *fetchers.NOTES,
        f"{bare} and {copying}: what is possible at best; nothing is wanted of these ratios",
        "memocast also has it on the disk when it ends (fsync)",
    ]
    title = f"A memo of {audio.stat().st_size / 1e6:,.0f} MB"
    return [Outcome(title, "s", samples, targets, absent, notes)]


def _alone(attempt: Callable[[], float]) -> float:
    """An attempt that does not wait for what the one before it left to be written."""
    os.sync()
    return attempt()


def _copy(world: World, audio: Path) -> float:
    with world.scratch() as folder:
        environment = world.environment()
        copied = seconds(["cp", "--reflink=never", audio, folder / "copy"], environment)
        return copied + seconds(["sha1sum", folder / "copy"], environment)
