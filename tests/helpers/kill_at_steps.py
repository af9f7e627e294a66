"""Commands that are killed at each step they take on the disk.

A *step* is a system call that changes what is on the disk or has it reach the disk. strace kills
the command as it begins that call, which then does not happen. What SIGKILL leaves is what was
written until then, whether or not it was synchronised: between two steps there is nothing else to
be left. Of writes to one file that follow each other only the last is a step: SQLite commits with
its last write to the log, and the synchronisation after it is the step after the commit.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.spawned_commands import spawner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from helpers.memocast_user import Memocast, Result

_WRITES = ("write", "pwrite64", "ftruncate", "truncate")
_CALLS = (
    *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink"),
    *("unlinkat", "rmdir", "mkdir", "mkdirat", *_WRITES),
)
_TRACE = ["-e", "trace=" + ",".join(f"?{call}" for call in _CALLS)]  # not all are everywhere

BACKUP = "/backups"
"""In the first step of the copy of the database that ends each command that has changed it."""


@dataclass(frozen=True)
class Step:
    """The `number`th call of that name, and how strace shows it."""

    call: str
    number: int
    shown: str

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.shown[:160]}"


@dataclass(frozen=True)
class Killed:
    """What the command said and did when it was run once more after it was killed at a step."""

    step: Step
    again: Result


class Commands:
    """Commands of a user's, each run on the library as it is now."""

    def __init__(self, user: Memocast) -> None:
        self._user = user
        self.copy = user.home / "library before"
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(user.library, self.copy, symlinks=True)

    def put_back(self) -> None:
        """Have the library as it was in the beginning."""
        for path in self._user.library.iterdir():  # which may be where a disk is mounted
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.copy, self._user.library, symlinks=True, dirs_exist_ok=True)

    def steps(self, *arguments: str, stdin: str = "", until: str = "") -> list[Step]:
        """The steps of the command, up to the first one with `until` in it."""
        trace = self._user.home / "trace"
        code, out, err = self.traced(arguments, stdin, ["-o", str(trace), *_TRACE])
        assert code == 0, (out, err)
        return list(_steps(trace.read_text(errors="replace"), until))

    def traced(
        self, arguments: Sequence[str], stdin: str, strace: Sequence[str]
    ) -> tuple[int, str, str]:
        """Run the command under strace."""
        user = self._user
        code, out, err = spawner().run(
            arguments, user.environment, user.home, stdin.encode(), 120, strace
        )
        return code, out.decode(), err.decode()

    def killed(self, *arguments: str, steps: Sequence[Step], stdin: str = "") -> Iterator[Killed]:
        """Kill the command at each of the steps, each time on the same library; run it again.

        What talks to others can take a step less than the last time.
        """
        for step in steps:
            self.put_back()
            if self.kill(*arguments, step=step, stdin=stdin):
                yield Killed(step, self._user.run(*arguments, stdin=stdin, expect=None))

    def kill(self, *arguments: str, step: Step, stdin: str = "") -> bool:
        """Run the command, and kill it at that step; whether it came there."""
        inject = f"inject={step.call}:signal=KILL:when={step.number}"
        strace = ["-o", "/dev/null", *_TRACE, "-e", inject]
        code, out, err = self.traced(arguments, stdin, strace)
        assert code in (-signal.SIGKILL, 0), (step, code, out, err)
        return code != 0


def _steps(trace: str, until: str) -> Iterator[Step]:
    counts: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, str, Step]] = []
    for line in trace.splitlines():
        match = re.match(r"(\d+) +(\w+)\(([^,)]*)(.*)", line)
        if match is None or match[2] not in _CALLS:
            continue
        if until and until in line:
            break
        thread, call, target, _ = match.groups()
        counts[thread, call] += 1
        found.append((thread, target, Step(call, counts[thread, call], line)))
    # strace counts for each thread: what the first one does is what memocast does.
    mine = [entry for entry in found if entry[0] == found[0][0]]
    for (_, target, step), following in zip(mine, [*mine[1:], None], strict=True):
        is_part = following and step.call == following[2].call and target == following[1]
        has_failed = " = -1 E" in step.shown
        if not has_failed and not (is_part and step.call in _WRITES):
            yield step
