"""The state of one of the seeder's workers, across restarts of its process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memocast.errors import LibraryError, MemocastError
from memocast.formats.memo import now, rfc3339
from memocast.library.seeder_report import Crash, LanSummary, WebSummary, WorkerReport
from memocast.seeding.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memocast.library.seeder_report import Failed, Uploads

_LONGEST_PAUSE_SECONDS = 60.0
_STEADY_SECONDS = 60.0
"""A worker that ran for this long before it crashed is started again at once."""

SILENT_SECONDS = 900.0
"""A worker reports every second, except while it hashes changed files."""


@dataclass(slots=True)
class WorkerState:
    """A worker as its supervisor knows it: its process, its last report, its crashes.

    `arguments` are those of `seed --session`. An `essential` worker may take any time to start,
    since it may be hashing for hours. `pause_if_steady` is the longest pause in seconds before
    the restart of a worker that had started well.
    """

    name: str
    arguments: Sequence[str]
    essential: bool = False
    pause_if_steady: float = _LONGEST_PAUSE_SECONDS
    process: WorkerProcess | None = None
    report: WorkerReport | None = None
    uploads: dict[str, Uploads] = field(default_factory=dict)
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
        """Return whether it is time to start a process."""
        return self.process is None and time.monotonic() >= self._next_start

    def start(self, root: Path, inherited: int) -> str:
        """Start a process that keeps the `inherited` descriptor open; return the error, if any."""
        self._begun = self._heard = time.monotonic()
        self._failure = None
        self._has_reported = False
        try:
            self.process = WorkerProcess(root, self.arguments, inherited)
        except LibraryError as error:  # no room for a log, or no process
            self._failure = error
            return error.message
        return ""

    def is_silent(self) -> bool:
        """Return whether it has been silent for so long that it must be stuck."""
        is_due = self.report is not None or not self.essential
        return is_due and time.monotonic() - self._heard > SILENT_SECONDS

    def hear(self, report: WorkerReport | None = None) -> None:
        """Note a sign of life, perhaps a report."""
        self._heard = time.monotonic()
        if report:
            self.report, self.problem, self._has_reported = report, None, True
            for key in self.uploads.keys() - report.torrents.keys():  # no longer seeded
                del self.uploads[key]

    def excuse(self, seconds: float) -> None:
        """Ignore this many seconds of silence, in which it could not be read."""
        self._heard += seconds

    def fail(self, event: Failed) -> None:
        """Note the error that it reports as its end."""
        self._failure = MemocastError(event.message, hint=event.hint)
        self._failure.exit_code = event.exit_code

    def end(self, how: str) -> MemocastError | None:
        """End its process and return the error that it reported. Without one, count a crash."""
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
        self.uploads.clear()
        return self._failure

    def back_off(self) -> None:
        """Schedule the next start, later each time that it crashes while starting."""
        moment = time.monotonic()
        if moment - self._begun > _STEADY_SECONDS:
            self._pause = 0.0
        elif self._has_reported:
            self._pause = min(self._pause, self.pause_if_steady)
        self._next_start = moment + self._pause
        self._pause = min(max(1.0, self._pause * 2), _LONGEST_PAUSE_SECONDS)

    def web_summary(self) -> WebSummary:
        """Return the state to publish of the worker for browsers."""
        report = self.report or WorkerReport()
        return WebSummary(
            report.session_pid,
            report.seeding,
            self.problem,
            self.crashes,
            self.last_crash,
            report.stun_answers,
        )

    def lan_summary(self) -> LanSummary:
        """Return the state to publish of the worker for the local network."""
        report = self.report or WorkerReport()
        return LanSummary(
            report.session_pid,
            report.seeding,
            self.problem,
            self.crashes,
            self.last_crash,
            report.only,
            report.for_browsers,
            report.for_lan,
            report.to_sync,
            report.reach,
        )
