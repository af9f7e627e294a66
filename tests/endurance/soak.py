"""A soak of the seeder: thousands of peers and hundreds of mishaps, and what it holds meanwhile.

    python tests/endurance/soak.py FOLDER --events 5000

writes each event and what each process holds after it to FOLDER/soak.jsonl, and goes on from there
when it is started again, however it ended. Then it says whether all went well and nothing grew,
and draws FOLDER/soak.svg. As root, on Linux: it makes network namespaces and a file system.

Exit codes: 0 all is well; 1 something failed or grows; 3 nothing was found, but it was too short.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest

from helpers.soak import disturbances, peers
from helpers.soak.drawing import draw
from helpers.soak.journal import Journal
from helpers.soak.leak import leaking
from helpers.soak.schedule import CYCLE, chances, event
from helpers.soak.verdict import judge
from helpers.soak.world import World, open_world

_GIVE_UP = 10
"""After so many events that failed one after the other, no other would say more."""


def main() -> int:
    wanted = _arguments()
    _have_own_mounts()
    journal = Journal(wanted.folder)
    starts = journal.of("start")
    begun = starts[0] if starts else {"cycle": min(CYCLE, wanted.cycle), "seed": wanted.seed}
    journal.append("start", cycle=begun["cycle"], seed=begun["seed"], leak=wanted.leak)
    done = len(journal.of("event"))

    def is_done() -> bool:
        return done >= wanted.events and journal.seconds >= wanted.minutes * 60

    if not is_done():
        leak = leaking(wanted.folder / "leak") if wanted.leak else {}
        with open_world(wanted.folder, leak) as world:
            failures = 0
            while not is_done() and failures < _GIVE_UP:
                done += 1
                failures = 0 if _do(world, journal, done, begun) else failures + 1
    verdict = judge(journal)
    print("\n".join(verdict.lines()))
    draw(journal, verdict, wanted.folder / "soak.svg")
    return verdict.exit_code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=5_000, help="how many, of all runs together")
    parser.add_argument(
        "--minutes", type=float, default=30, help="go on for this long at least, together"
    )
    parser.add_argument("--cycle", type=int, default=CYCLE, help="events with each disturbance")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--leak", action="store_true", help="leak on purpose: it must be seen")
    return parser.parse_args()


def _have_own_mounts() -> None:
    """Begin anew where mounts are this process's own: they go with it, even when it is killed."""
    if os.environ.get("MEMOCAST_SOAK") != "apart":
        os.environ["MEMOCAST_SOAK"] = "apart"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])


def _do(world: World, journal: Journal, number: int, begun: dict[str, Any]) -> bool:
    """Have an event happen, and write down what came of it; return whether all was well."""
    name = event(number, begun["cycle"], begun["seed"])
    random = chances(number, begun["seed"])
    found: dict[str, Any] = {}
    try:
        if name in peers.KINDS:
            peers.KINDS[name](world, random)
        else:
            found = disturbances.KINDS[name](world, random)
        peers.look_after_browsers(world)
        world.seeder.check()
    except (Exception, pytest.fail.Exception) as error:
        found["failed"] = "".join(traceback.format_exception(error, limit=-4))[-3_000:]
        print(f"event {number}, {name}: {found['failed']}", file=sys.stderr)
    journal.append("event", number=number, name=name, **found)
    journal.append("sample", event=number, held=world.seeder.holdings())
    return "failed" not in found


if __name__ == "__main__":
    sys.exit(main())
