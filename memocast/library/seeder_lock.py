"""The lock and the published report of a library's seeder.

A seeder holds `seeder.lock` (flock) for as long as it runs and writes
`seeder.json` beside it. Other processes need only these two files.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from memocast.errors import MemocastError
from memocast.files import lock, write_atomically
from memocast.library.seeder_report import SeederReport, seeder_report_of, to_json
from memocast.library.tables.failures import translated

if TYPE_CHECKING:
    from pathlib import Path

STOP_SECONDS = 15.0
START_SECONDS = 20.0
_POLL_SECONDS = 0.02
_CLAIM_SECONDS = 0.3


class SeederLock:
    """The lock that makes one process the seeder of a library, and that seeder's report."""

    def __init__(self, root: Path) -> None:
        self._lock_path = root / "seeder.lock"
        self._report_path = root / "seeder.json"
        self._lock = -1

    def claim(self, *, seeding: bool = True) -> bool:
        """Become the library's seeder until `release` or exit; return False if there is another.

        Without `seeding`, only keep others from seeding: no pid is published for them to stop.
        Raises LibraryError when the report cannot be written, and OSError for the lock.
        """
        # The lock may be held for a moment by a process that only asks whether a seeder runs.
        found = lock(self._lock_path, wait=_CLAIM_SECONDS)
        if found is None:
            return False
        self._lock = found
        # The report of a killed seeder has a pid that may belong to any process by now.
        with translated(self._report_path):
            self._write({"pid": os.getpid()} if seeding else {})
        return True

    def last_stop(self) -> int:
        """Return the time of the last `stop`, in ns; nothing else changes it.

        A process that waits to become the seeder gives up when it has changed. It is the time of
        modification of the lock, which needs no room on a full disk. Raises OSError.
        """
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)

    @property
    def descriptor(self) -> int:
        """The lock's descriptor; a child that inherits it holds the lock until it ends too."""
        return self._lock

    def leave(self) -> None:
        """Publish that this seeder is stopping, so that no process relies on it."""
        with contextlib.suppress(OSError):
            self._write({"pid": os.getpid()})

    def release(self) -> None:
        """Stop being the seeder."""
        if self._lock >= 0:
            self._report_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def is_running(self) -> bool:
        """Return whether some process is the seeder now."""
        try:
            # Shared, so that two processes that only ask do not take each other for a seeder.
            found = lock(self._lock_path, shared=True, make=False)
        except FileNotFoundError:
            return False
        if found is None:
            return True
        # There is no seeder, and none can start while we hold this lock. Delete the report of
        # a killed seeder now: it would be taken for the next seeder's.
        with contextlib.suppress(OSError):
            self._report_path.unlink(missing_ok=True)
        os.close(found)
        return False

    def publish(self, report: SeederReport) -> None:
        """Write this seeder's report."""
        self._write(to_json(report))

    def _write(self, document: dict[str, Any]) -> None:
        write_atomically(self._report_path, json.dumps(document).encode())

    def report(self) -> SeederReport | None:
        """Return the running seeder's last report; None without one or until peers can connect."""
        return seeder_report_of(self._published())

    def _published(self) -> dict[str, Any]:
        if not self.is_running():
            return {}
        try:
            document = json.loads(self._report_path.read_text())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def stop(self) -> bool:
        """Stop the running seeder and wait until it has ended; return False if there was none.

        Those that wait to become the seeder, or are about to, see by `last_stop` that they may not.
        """
        moment = time.time_ns()
        with contextlib.suppress(OSError):  # there was never one, or the disk is read-only
            os.utime(self._lock_path, ns=(moment, moment))
        if not self.is_running():
            return False
        deadline = time.monotonic() + STOP_SECONDS
        asked: list[int] = []
        while self.is_running():
            said = self._published()
            parts = [said, said.get("web") or {}, said.get("lan") or {}]
            for pid in (said.get("pid"), *(part.get("session_pid") for part in parts)):
                if isinstance(pid, int) and pid not in asked:
                    asked.append(pid)
                    if self._terminate(pid):
                        break  # a supervisor stops its workers; only orphans are stopped here
            if time.monotonic() > deadline:
                raise MemocastError(
                    f"the running seeder (pid {asked[-1] if asked else 'unknown'})"
                    f" did not stop in {STOP_SECONDS:.0f} s",
                    hint=f"kill it: kill -9 {asked[-1]}" if asked else "try again",
                )
            time.sleep(_POLL_SECONDS)
        return True

    def _terminate(self, pid: int) -> bool:
        """Ask that process to end; return False if it no longer exists."""
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        except PermissionError as error:
            raise MemocastError(
                f"the running seeder (pid {pid}) belongs to another user",
                hint="ask that user to stop it",
            ) from error
        return True
