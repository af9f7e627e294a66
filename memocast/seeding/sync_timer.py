"""Running 'memocast sync' from the seeder at intervals, in a process of its own."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from typing import TYPE_CHECKING

from memocast.errors import LibraryError
from memocast.library.tables.failures import translated
from memocast.processes.self_command import start

if TYPE_CHECKING:
    from pathlib import Path

_JITTER = 0.25
"""A fraction of the interval, so that a channel's followers do not all ask at once."""

_APART_SECONDS = 10.0
"""Between the beginnings of two syncs that run at the same time: most end sooner."""

_STOP_SECONDS = 5.0
"""How long syncs may take to stop. They may have to kill their own processes meanwhile."""


class SyncTimer:
    """Runs `sync` about every `interval` seconds, and when `wanted` changes; with 0, never.

    While slow channels hold a sync up, a quick one beside it does the rest: one's own devices,
    and channels that are not slow.
    """

    def __init__(self, root: Path, interval: int) -> None:
        self._root = root
        self._interval = interval
        self._whole: subprocess.Popen[bytes] | None = None
        self._quick: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._next = 0.0
        self._wanted = ""

    def tick(self, wanted: str) -> None:
        """Start a sync if it is time. `wanted` says what there is to sync; empty is nothing."""
        moment = time.monotonic()
        if self._whole and self._whole.poll() is not None:
            self._whole, self._next = None, moment + self._pause()
        if self._quick and self._quick.poll() is not None:
            self._quick, self._next = None, moment + self._pause()
        if not (self._interval and wanted) or (self._whole and self._quick):
            return
        if wanted == self._wanted and moment < self._next:
            return
        if not (self._whole or self._quick):
            self._whole = self._start(moment, wanted)
        elif moment >= self._began + _APART_SECONDS:
            if self._whole:
                self._quick = self._start(moment, wanted, "--quick")
            else:
                self._whole = self._start(moment, wanted)

    def _pause(self) -> float:
        jitter = random.uniform(-_JITTER, _JITTER)  # noqa: S311 - need not be unpredictable
        return self._interval * (1 + jitter)

    def _start(self, moment: float, wanted: str, *arguments: str) -> subprocess.Popen[bytes] | None:
        self._wanted, self._began, self._next = wanted, moment, moment + self._pause()
        log = self._root / "log" / "seeder.log"
        with contextlib.suppress(OSError, LibraryError), translated(log), log.open("ab") as errors:
            return start(self._root, "sync", "--quiet", *arguments, stderr=errors)
        return None

    def stop(self) -> None:
        """Stop running syncs; their partial downloads are kept for the next one."""
        running = [process for process in (self._whole, self._quick) if process]
        self._whole = self._quick = None
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
