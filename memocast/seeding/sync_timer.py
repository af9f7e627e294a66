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

_STOP_SECONDS = 5.0
"""How long a sync may take to stop. It may have to kill its own processes meanwhile."""


class SyncTimer:
    """Runs `sync` about every `interval` seconds, and when `wanted` changes; with 0, never."""

    def __init__(self, root: Path, interval: int) -> None:
        self._root = root
        self._interval = interval
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self._wanted = ""

    def tick(self, wanted: str) -> None:
        """Start a sync if it is time. `wanted` says what there is to sync; empty is nothing."""
        moment = time.monotonic()
        if self._process and self._process.poll() is not None:
            self._process = None
            jitter = random.uniform(-_JITTER, _JITTER)  # noqa: S311 - need not be unpredictable
            self._next = moment + self._interval * (1 + jitter)
        if self._process or not self._interval:
            return
        if wanted != self._wanted:
            self._wanted, self._next = wanted, moment
        if wanted and moment >= self._next:
            self._start(moment)

    def _start(self, moment: float) -> None:
        self._next = moment + self._interval
        log = self._root / "log" / "seeder.log"
        with contextlib.suppress(OSError, LibraryError), translated(log), log.open("ab") as errors:
            self._process = start(self._root, "sync", "--quiet", stderr=errors)

    def stop(self) -> None:
        """Stop a running sync; its partial downloads are kept for the next one."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
