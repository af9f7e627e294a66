"""The supervisor keeps the seeder's workers running even when libtorrent crashes.

It publishes the seeder's report. The classic worker serves BitTorrent clients. While it
reports that there is something for them to do, two more run: a worker for browsers, and
one for shares that stay on the local network. A crash is counted and the worker is
started again; the others go on.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memocast.errors import MemocastError
from memocast.formats.memo import rfc3339
from memocast.library.seeder_report import (
    Damaged,
    Failed,
    Removed,
    SeederReport,
    Seeding,
    Transfer,
    Trouble,
    Uploads,
    WorkerReport,
)
from memocast.seeding.sync_timer import SyncTimer
from memocast.seeding.worker_state import SILENT_SECONDS, WorkerState
from memocast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memocast.library.seeder_lock import SeederLock
    from memocast.library.seeder_report import Event

_POLL_SECONDS = 0.1
_STOP_SECONDS = 10.0
_BROWSERS_PAUSE_SECONDS = 1.0
"""The worker for browsers is expected to crash: after a good start it is back within 2 s."""


class Supervisor:
    """Runs the seeder of a library. The caller holds its `SeederLock`."""

    def __init__(
        self,
        root: Path,
        seeder_lock: SeederLock,
        notify: Callable[[Event], None],
        only: Sequence[str] = (),
        sync_interval: int = 0,
    ) -> None:
        self._root = root
        self._lock = seeder_lock
        self._notify = notify
        self._started = datetime.now(UTC)
        self._classic = WorkerState("the session", [*only], essential=True)
        self._web = WorkerState(
            "the session for browsers",
            ["--web", *only],
            pause_if_steady=_BROWSERS_PAUSE_SECONDS,
        )
        self._lan = WorkerState(
            "the session for the local network",
            ["--lan", *only],
            pause_if_steady=_BROWSERS_PAUSE_SECONDS,
        )
        self._sync_timer = SyncTimer(root, 0 if only else sync_interval)

    def run(self, stopping: Callable[[], bool]) -> None:
        """Seed until `stopping()`. Raises MemocastError when the classic worker cannot start."""
        try:
            while not stopping():
                for worker in self._workers():
                    self._keep_running(worker)
                self._listen()
                report = self._classic.report
                self._sync_timer.tick(report.to_sync if report else "")
        finally:
            self._lock.leave()
            self._sync_timer.stop()
            self._stop()

    def _workers(self) -> list[WorkerState]:
        """Return the workers that run or should run."""
        report = self._classic.report or WorkerReport()
        wanted = [self._classic]
        if self._web.process or report.for_browsers:
            wanted.append(self._web)
        if self._lan.process or report.for_lan:
            wanted.append(self._lan)
        return wanted

    # -- processes -----------------------------------------------------------------

    def _keep_running(self, worker: WorkerState) -> None:
        if worker.process and worker.is_silent():
            worker.process.kill()
            self._after_end(worker, f"no sign of life for {SILENT_SECONDS:.0f} s")
        elif worker.is_due() and (problem := worker.start(self._root, self._lock.descriptor)):
            self._after_end(worker, problem)

    def _listen(self) -> None:
        """Wait a moment for events of the workers, and handle them."""
        talking = {worker.process: worker for worker in self._workers() if worker.process}
        if not talking:
            time.sleep(_POLL_SECONDS)
            return
        began = time.monotonic()
        ready, _, _ = select.select(list(talking), [], [], _POLL_SECONDS)
        for process in ready:
            worker = talking[process]
            for event in process.read():
                self._hear(worker, event)
            worker.hear()
            if process.has_ended:
                self._after_end(worker, process.how_it_ended())
        held_up = time.monotonic() - began - _POLL_SECONDS
        if held_up > 1.0:  # by a stopped terminal: no worker could be read meanwhile
            for worker in talking.values():
                worker.excuse(held_up)

    def _after_end(self, worker: WorkerState, how: str) -> None:
        """Report that the worker has ended, and schedule its next start."""
        failure = worker.end(how)
        if worker is self._classic and not worker.report:
            raise failure or MemocastError(
                f"the seeder ended while starting: {how}",
                hint=f"read {self._root / 'log' / 'seeder.log'}",
            )
        self._notify(Trouble(str(worker.problem)))
        self._publish()
        worker.back_off()

    def _stop(self) -> None:
        everyone = (self._classic, self._web, self._lan)
        running = [worker.process for worker in everyone if worker.process]
        for process in running:
            process.ask_to_end()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            process.await_end(deadline)

    # -- events and reports ----------------------------------------------------------

    def _hear(self, worker: WorkerState, event: Event) -> None:
        match event:
            case WorkerReport():
                worker.hear(event)
                self._publish()
            case Failed():
                worker.fail(event)
            case Transfer(info_hash=info_hash):
                worker.uploads[info_hash] = event.uploads
                parts = [part.uploads.get(info_hash, Uploads()) for part in self._workers()]
                self._notify(replace(event, uploads=sum(parts, Uploads())))
            case _ if not self._is_duplicate(worker, event):
                self._notify(event)

    def _is_duplicate(self, worker: WorkerState, event: Event) -> bool:
        """Return whether another worker reports the same event."""
        if isinstance(event, Damaged):
            others = [other.report for other in self._workers() if other is not worker]
            return any(event.id in other.damaged for other in others if other)
        return worker is self._web and isinstance(event, Seeding | Removed)

    def _publish(self) -> None:
        if not self._classic.report:
            return  # peers cannot connect yet
        report = self._report(self._classic.report)
        with contextlib.suppress(OSError):  # a full disk; the next report comes in a second
            self._lock.publish(report)
        self._notify(report)

    def _report(self, classic: WorkerReport) -> SeederReport:
        """Return the seeder's report: that of its classic worker, with sums of all workers."""
        workers = self._workers()
        reports = [worker.report for worker in workers if worker.report]
        trackers = classic.reach.trackers
        if self._web in workers and self._web.report:
            trackers = {**trackers, **self._web.report.reach.trackers}
        memos: dict[str, Uploads] = {}
        torrents: dict[str, Uploads] = {}
        for report in reports:
            for total, part in ((memos, report.memos), (torrents, report.torrents)):
                for key, uploads in part.items():
                    total[key] = total.get(key, Uploads()) + uploads
        return SeederReport(
            pid=os.getpid(),
            version=__version__,
            started=rfc3339(self._started),
            heard=int(time.time()),
            crashes=self._classic.crashes,
            last_crash=self._classic.last_crash,
            problem=self._classic.problem,
            session_pid=classic.session_pid,
            seeding=classic.seeding,
            damaged=sorted({id_ for report in reports for id_ in report.damaged}),
            memos=memos,
            torrents=torrents,
            only=classic.only,
            for_browsers=classic.for_browsers,
            for_lan=classic.for_lan,
            to_sync=classic.to_sync,
            reach=replace(classic.reach, trackers=trackers),
            web=self._web.web_summary() if self._web in workers else None,
            lan=self._lan.lan_summary() if self._lan in workers else None,
        )
