"""One worker of the seeder, from one process of it to the next."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memocast.errors import LibraryError, MemocastError
from memocast.formats.memo import now, rfc3339
from memocast.library.seeder_report import Crash, WorkerSummary
from memocast.seeding.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memocast.library.seeder_report import Failed, Uploads, WorkerReport

_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 60.0
"""A worker that ran this long before it crashed is started again at once."""

SILENT_SECONDS = 900.0
"""A worker reports every second, except while it hashes files that were changed."""


@dataclass(slots=True)
class WorkerState:
    """A worker as its supervisor knows it: its process, its last word, its crashes.

    `arguments` are those of `seed --session`. One that is `essential` may take as long as it
    likes to begin, since it may be hashing for hours. `pause_if_steady` is the longest pause in
    seconds before another process of a worker that had begun.
    """

    name: str
    arguments: Sequence[str]
    essential: bool = False
    pause_if_steady: float = _LONGEST_PAUSE_SECONDS
    process: WorkerProcess | None = None
    report: WorkerReport | None = None
    transfers: dict[str, Uploads] = field(default_factory=dict)
    crashes: int = 0
    last_crash: Crash | None = None
    problem: str | None = None
    _failure: MemocastError | None = None
    _has_reported: bool = False  # since it was last started
    _begun: float = 0.0
    _heard: float = 0.0
    _pause: float = 0.0
    _next_start: float = 0.0

    def is_due(self) -> bool:
        """Whether it is time for a process of it."""
        return self.process is None and time.monotonic() >= self._next_start

    def start(self, root: Path, inherited: int) -> str:
        """Start a process, with a descriptor that it keeps open; why it could not be started."""
        self._begun = self._heard = time.monotonic()
        self._failure = None
        self._has_reported = False
        try:
            self.process = WorkerProcess(root, self.arguments, inherited)
        except LibraryError as error:  # no room for a log, no process to be had
            self._failure = error
            return error.message
        return ""

    def is_silent(self) -> bool:
        """Whether it has said nothing for so long that it must have come to a stop."""
        is_due = self.report is not None or not self.essential
        return is_due and time.monotonic() - self._heard > SILENT_SECONDS

    def hear(self, report: WorkerReport | None = None) -> None:
        """It said something, perhaps how it fares."""
        self._heard = time.monotonic()
        if report:
            self.report, self.problem, self._has_reported = report, None, True

    def excuse(self, seconds: float) -> None:
        """It could not be heard for so long."""
        self._heard += seconds

    def fail(self, event: Failed) -> None:
        """It named the error that ends it."""
        self._failure = MemocastError(event.message, hint=event.hint)
        self._failure.exit_code = event.exit_code

    def end(self, how: str) -> MemocastError | None:
        """Its process is ending, or has ended; the error that it named. A crash is counted."""
        if self.process:
            self.process.await_end(time.monotonic())
            self.process = None
        if self._failure:
            self.problem = self._failure.message
        else:
            self.problem = f"{self.name} crashed: {how}"
            self.crashes += 1
            self.last_crash = Crash(rfc3339(now()), how)
        if self.report:
            self.report = replace(self.report, session_pid=None, seeding=0, memos={}, torrents={})
        self.transfers.clear()
        return self._failure

    def back_off(self) -> None:
        """Wait before the next start: the longer, the more often it crashed as it began."""
        moment = time.monotonic()
        if moment - self._begun > _STEADY_SECONDS:
            self._pause = 0.0
        elif self._has_reported:
            self._pause = min(self._pause, self.pause_if_steady)
        self._next_start = moment + self._pause
        self._pause = min(max(1.0, self._pause * 2), _LONGEST_PAUSE_SECONDS)

    def summary(self) -> WorkerSummary:
        """What everybody is told of it."""
        report = self.report
        return WorkerSummary(
            report.session_pid if report else None,
            report.seeding if report else 0,
            self.crashes,
            self.last_crash,
            self.problem,
            report.stun_answers if report else None,
        )
