"""Measuring: contenders take turns, and what counts is how they compare."""

from __future__ import annotations

import statistics
import subprocess
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class Unavailable(Exception):
    """A peer, or what a row needs of this machine, is not here. The message says which and why."""


class Failed(Exception):
    """A contender did not do what was asked of it. The message says what it did."""


@dataclass(frozen=True)
class Contender:
    """`attempt` does it once, prepares and clears up around it, and returns what counts."""

    name: str
    attempt: Callable[[], float]


@dataclass(frozen=True)
class Target:
    """`ours` is to be at most `limit` times `base`; both are names of contenders."""

    ours: str
    base: str
    limit: float

    def ratio(self, outcome: Outcome) -> float:
        """How many times the base it was, by the medians."""
        return outcome.median(self.ours) / outcome.median(self.base)


@dataclass
class Outcome:
    """What a table of a row shows: the samples of each contender, in `unit`."""

    title: str
    unit: str
    samples: dict[str, list[float]]
    targets: list[Target] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Contenders that were not measured, and why."""
    notes: list[str] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Of that contender."""
        return statistics.median(self.samples[name])

    def to_json(self) -> dict[str, Any]:
        """As it is kept in docs/performance.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Outcome:
        """The inverse of `to_json`."""
        targets = [Target(**target) for target in document["targets"]]
        return cls(**{**document, "targets": targets})


def compete(
    contenders: Sequence[Contender], rounds: int, warm_up: int = 1
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """The samples of each, and why some have none.

    All take a turn in every round, each round beginning with another: a
    machine that is busy for a while slows all of them. One that fails, or
    is not here, is left out from then on.
    """
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    absent: dict[str, str] = {}
    for number in range(-warm_up, rounds):
        turn = number % len(contenders)
        for contender in [*contenders[turn:], *contenders[:turn]]:
            if contender.name in absent:
                continue
            try:
                sample = contender.attempt()
            except (Unavailable, Failed) as reason:
                absent[contender.name] = str(reason)
            else:
                if number >= 0:
                    samples[contender.name].append(sample)
    return {name: found for name, found in samples.items() if name not in absent}, absent


def seconds(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    timeout: float = 300.0,
) -> float:
    """How long the whole process takes. Raises Unavailable or Failed."""
    begun = time.perf_counter()
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"was not done after {timeout:g} s") from error
    taken = time.perf_counter() - begun
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing said"])[-1]
        raise Failed(f"ended with {done.returncode}: {last[:200]}")
    return taken
