"""The seeder's lock: which process, if any, seeds a library, and how it says that it fares.

A seeder holds `seeder.lock` (flock) for as long as it runs and writes
`seeder.json` beside it. The two files are all that other processes need.
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

if TYPE_CHECKING:
    from pathlib import Path

STOP_SECONDS = 15.0
START_SECONDS = 20.0
_POLL_SECONDS = 0.02
_CLAIM_SECONDS = 0.3


class SeederLock:
    """One process's view of the seeder of a library, and its claim to be that seeder."""

    def __init__(self, root: Path) -> None:
        self._lock_path = root / "seeder.lock"
        self._report_path = root / "seeder.json"
        self._lock = -1

    def claim(self, *, seeding: bool = True) -> bool:
        """Become the seeder of the library, until `release` or death. False: another one is.

        Without `seeding`, only keep everyone else from being it: nobody is told whom to end.
        """
        # Perhaps somebody only asks whether a seeder runs, for a moment.
        found = lock(self._lock_path, wait=_CLAIM_SECONDS)
        if found is None:
            return False
        self._lock = found
        # What a killed seeder left names a pid that may be anybody's by now.
        self._write({"pid": os.getpid()} if seeding else {})
        return True

    @property
    def descriptor(self) -> int:
        """The lock's; a child that inherits it keeps the library taken until it has ended too."""
        return self._lock

    def leave(self) -> None:
        """Say that this seeder is on its way out: nobody should count on it any more."""
        with contextlib.suppress(OSError):
            self._write({"pid": os.getpid()})

    def release(self) -> None:
        """Stop being the seeder."""
        if self._lock >= 0:
            self._report_path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = -1

    def is_running(self) -> bool:
        """Whether some process is the seeder now."""
        try:
            # Shared, so that two who only ask do not take each other for a seeder.
            found = lock(self._lock_path, shared=True, make=False)
        except FileNotFoundError:
            return False
        if found is None:
            return True
        # Nobody seeds, and nobody can begin to while we hold this. What a killed seeder
        # said must be gone by then: it would be taken for the next one's word.
        with contextlib.suppress(OSError):
            self._report_path.unlink(missing_ok=True)
        os.close(found)
        return False

    def publish(self, report: SeederReport) -> None:
        """Say how this seeder fares."""
        self._write(to_json(report))

    def _write(self, document: dict[str, Any]) -> None:
        write_atomically(self._report_path, json.dumps(document).encode())

    def report(self) -> SeederReport | None:
        """What the running seeder last said; None when none runs, or peers cannot connect yet."""
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
        """Ask the running seeder to end and wait until it has. False: none was running."""
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
                        break  # a supervisor ends its sessions; only orphans are ended themselves
            if time.monotonic() > deadline:
                raise MemocastError(
                    f"the running seeder (pid {asked[-1] if asked else 'unknown'})"
                    f" did not stop in {STOP_SECONDS:.0f} s",
                    hint=f"kill it: kill -9 {asked[-1]}" if asked else "try again",
                )
            time.sleep(_POLL_SECONDS)
        return True

    def _terminate(self, pid: int) -> bool:
        """Ask that process to end; False when there is none any more."""
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
