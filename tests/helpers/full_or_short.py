"""How long the endurance tests go on, where their chances come from, and what they found.

    MEMOCAST_ENDURANCE=full             as long as it takes; else a few seconds each
    MEMOCAST_ENDURANCE_SEED=NUMBER      the run that a failure printed, again
    MEMOCAST_ENDURANCE_FIGURES=FILE     append what was done and found, a line of JSON a test

No process that a test starts sees these: each has an environment of its own.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

FULL = os.environ.get("MEMOCAST_ENDURANCE") == "full"


def scaled(full: int, short: int) -> int:
    """How much of it this run does."""
    return full if FULL else short


def chances() -> random.Random:
    """Random numbers that a failing run can be repeated with; pytest shows the seed then."""
    seed = int(os.environ.get("MEMOCAST_ENDURANCE_SEED") or random.SystemRandom().getrandbits(32))
    print(f"MEMOCAST_ENDURANCE_SEED={seed}")
    return random.Random(seed)


def pause(seconds: float) -> None:
    """Let a random moment come, or a load go on: nothing can be waited for in its place."""
    time.sleep(seconds)


def record(test: str, **figures: object) -> None:
    """Note what a test did how often, and what came of it."""
    line = json.dumps({"test": test, "full": FULL, **figures})
    print(line)
    target = os.environ.get("MEMOCAST_ENDURANCE_FIGURES")
    if target:
        with Path(target).open("a") as file:
            file.write(line + "\n")
