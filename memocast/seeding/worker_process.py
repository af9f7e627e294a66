"""The process of a worker, as its supervisor sees it.

It writes its events as lines of JSON to standard output: `{"event": NAME, ...}`.
It ends when its standard input does: then its supervisor has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from memocast.library.seeder_report import event_of
from memocast.library.tables.failures import translated
from memocast.seeding.self_command import start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memocast.library.seeder_report import Event

_POLL_SECONDS = 0.1
_READ_BYTES = 1 << 16


class WorkerProcess:
    """A running `memocast seed --session`. Making one raises LibraryError."""

    def __init__(self, root: Path, arguments: Sequence[str], inherited: int) -> None:
        """Start the process; the descriptor `inherited` stays open for as long as it lives."""
        log = root / "log" / "seeder.log"
        with translated(log), log.open("ab") as errors:
            self._process = start(
                root,
                "seed",
                "--session",
                *arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                inherited=[inherited],
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout
        self._rest = b""
        self.has_ended = False
        """Whether it has closed its output: it has ended, or is about to."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to `read`."""
        return self._output.fileno()

    def read(self) -> list[Event]:
        """Return the events that have arrived; wait if there is nothing to read."""
        chunk = os.read(self.fileno(), _READ_BYTES)
        self.has_ended = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [event_of(json.loads(line)) for line in lines]

    def how_it_ended(self) -> str:
        """Wait until it has ended; return the name of its signal, or its exit code, in words."""
        code = self._process.wait()
        if code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def ask_to_end(self) -> None:
        """Close its standard input, on which it finishes and exits."""
        self._input.close()

    def await_end(self, deadline: float) -> None:
        """Wait for its end until `deadline` of the monotonic clock, then kill it."""
        # It may still be writing. Discard its output: a full pipe would block it.
        os.set_blocking(self.fileno(), False)
        while not self.has_ended and time.monotonic() < deadline:
            try:
                self.has_ended = not os.read(self.fileno(), _READ_BYTES)
            except BlockingIOError:
                time.sleep(_POLL_SECONDS / 5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._output.close()
