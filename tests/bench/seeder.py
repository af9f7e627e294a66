"""A seeder of memocast's own, for as long as a row needs one."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from bench.contest import Failed
from bench.processes import wait_for
from bench.world import MEMOCAST
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.world import World

_DEADLINE = 30.0


@contextlib.contextmanager
def seeding(world: World, library: Path, **changes: str) -> Iterator[str]:
    """Seed in the background; yields `HOST:PORT`, once starting it takes no time any more."""
    _seed(world, library, "--background", **changes)
    try:
        presence = SeederLock(library)
        first = presence.report()
        begun = first.heard if first else 0

        def has_settled() -> bool:
            report = presence.report()
            return report is not None and report.heard > begun

        # It reports once a second: until the next one, its start may be under way yet.
        wait_for("the seeder's second report", has_settled)
        report = presence.report() or first
        assert report
        yield report.reach.listening[0]
    finally:
        _seed(world, library, "--stop", **changes)


def _seed(world: World, library: Path, option: str, **changes: str) -> None:
    done = subprocess.run(
        [MEMOCAST, "seed", option],
        env=world.environment(library, **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
    )
    if done.returncode:
        raise Failed(f"memocast seed {option}: {done.stderr.strip()}")
