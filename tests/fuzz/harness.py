"""What a harness is: targets that take any bytes, inputs to begin with, and how to change them.

A target takes its input as a stranger's, asserts what holds for all that memocast accepts, and
returns how it fared. memocast's own errors are an outcome too, if a user may be told them; every
other exception is a finding.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memocast import errors
from memocast.cli.terminal import console
from memocast.errors import MemocastError
from memocast.text import acts_on_terminal

Mutate = Callable[[bytes, int], bytes]
"""Changes bytes, at most to that size: `atheris.Mutate`, or what `plainly` returns."""

Change = Callable[[bytes, random.Random, Mutate], bytes]
"""Changes an input by what it says, or by its bytes where that cannot be understood."""

MOST_SAID = 1_000
"""Characters of an error's message or hint: a stranger's text in one is cut."""


@dataclass(frozen=True)
class Target:
    """A function of any bytes, inputs that it accepts and others, and how to change them."""

    run: Callable[[bytes], str]
    seeds: Callable[[], Sequence[bytes]]
    change: Change


@dataclass(frozen=True)
class Harness:
    """Targets that share a process. The first byte of an input chooses one of them.

    `codes` are the exit codes of errors that are no finding, `tokens` are texts that inputs have.
    An input has at most `most_bytes`, and may take `seconds` and `megabytes`. Of outcomes with the
    text `kept`, the shortest input is kept.
    """

    targets: dict[str, Target]
    codes: frozenset[int]
    tokens: tuple[str, ...] = ()
    most_bytes: int = 1 << 13
    seconds: int = 10
    megabytes: int = 1_024
    kept: str = ""

    def run(self, data: bytes) -> tuple[str, str]:
        """Return the target that the input chose, and how it fared: `accepted`, or an error."""
        name, target = self._chosen(data)
        try:
            return name, target.run(data[1:])
        except MemocastError as error:
            check_error(error, self.codes)
            return name, type(error).__name__

    @functools.cached_property
    def seeds(self) -> list[bytes]:
        """All targets' inputs, each behind the byte that chooses its target."""
        return [
            bytes([number]) + seed for number, seeds in enumerate(self._by_target) for seed in seeds
        ]

    @functools.cached_property
    def _by_target(self) -> list[Sequence[bytes]]:
        return [target.seeds() for target in self.targets.values()]

    def changed(self, data: bytes, most: int, chance: random.Random, mutate: Mutate) -> bytes:
        """Change what an input says, or its bytes: lengths and names seldom survive the latter."""
        if chance.random() < 0.3:  # or the cheapest would be nearly all
            number, seeds = chance.choice(list(enumerate(self._by_target)))
            # The first is accepted, and most of the others are not.
            seed = seeds[0] if chance.random() < 0.5 else chance.choice(seeds)
            data = bytes([number]) + seed
        name, target = self._chosen(data)
        change = target.change if chance.random() < 0.75 else by_bytes
        content = data[1:]
        for _ in range(1 + int(chance.expovariate(1.5))):
            content = change(content, chance, mutate)
        return (bytes([list(self.targets).index(name)]) + content)[:most]

    def _chosen(self, data: bytes) -> tuple[str, Target]:
        return list(self.targets.items())[data[0] % len(self.targets) if data else 0]


def by_bytes(data: bytes, _chance: random.Random, mutate: Mutate) -> bytes:
    """Change some bytes, whatever they say."""
    return bytes(mutate(data, 2 * len(data) + 64))


def plainly(chance: random.Random) -> Mutate:
    """Return a function that changes bytes, where there is no atheris."""

    def mutate(data: bytes, most: int) -> bytes:
        begin = chance.randint(0, len(data))
        end = min(len(data), begin + chance.randint(0, 8))
        return (data[:begin] + chance.randbytes(chance.randint(0, 8)) + data[end:])[:most]

    return mutate


def check_error(error: MemocastError, codes: frozenset[int]) -> None:
    """Assert that the error is a documented one, and that a terminal shows it as two lines."""
    shown = repr(error)[:MOST_SAID]
    assert type(error).__module__ == errors.__name__, shown
    assert error.exit_code in codes, shown
    assert error.message, shown
    assert error.hint, shown
    assert len(error.message) <= MOST_SAID, shown
    assert len(error.hint) <= MOST_SAID, shown
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        console.report(error)
    said, hint, rest = stream.getvalue().split("\n")
    assert said.startswith("memocast: error: "), repr(said)
    assert hint.startswith("memocast: hint: "), repr(hint)
    assert not rest, repr(rest)
    assert not any(map(acts_on_terminal, said + hint)), repr(said + hint)


# -- a place for files ---------------------------------------------------------------

_made: list[tempfile.TemporaryDirectory[str]] = []


def work_folder() -> Path:
    """Return an empty folder's parent for this process's files, in memory if the system has it."""
    if not _made:
        memory = Path("/dev/shm")
        _made.append(
            tempfile.TemporaryDirectory(
                prefix="memocast-fuzz-", dir=memory if memory.is_dir() else None
            )
        )
    return Path(_made[0].name)


def remove_work_folder() -> None:
    """Delete it, in a process that does not end as others do."""
    if _made:
        _made.pop().cleanup()
