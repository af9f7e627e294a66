"""A memocast that works for another one, and writes lines of JSON to its standard output.

It ends when its standard input does: then the other one has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from typing import IO, TYPE_CHECKING, Any

from memocast.processes.crash_watch import how_it_ended
from memocast.processes.self_command import start

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_POLL_SECONDS = 0.02
_READ_BYTES = 1 << 16


class LineProcess:
    """A running command on the library in `root`. Making one raises OSError."""

    def __init__(
        self,
        root: Path,
        *arguments: str,
        errors: int | IO[bytes],
        inherited: Sequence[int] = (),
    ) -> None:
        """Start the command. `errors` and `inherited` are as for `self_command.start`."""
        self._process = start(
            root,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            inherited=inherited,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout
        self._rest = b""
        self.has_ended = False
        """Whether it has closed its output: it has ended, or is about to."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to read."""
        return self._output.fileno()

    def documents(self) -> list[dict[str, Any]]:
        """Return the JSON of the lines that have arrived; wait if there is nothing to read."""
        chunk = os.read(self.fileno(), _READ_BYTES)
        self.has_ended = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def send(self, document: dict[str, Any]) -> None:
        """Write a line of JSON to its standard input. One that has ended gets nothing."""
        with contextlib.suppress(BrokenPipeError):
            self._input.write(json.dumps(document).encode() + b"\n")
            self._input.flush()

    def how_it_ended(self) -> str:
        """Wait until it has ended; return the name of its signal, or its exit code, in words."""
        return how_it_ended(self._process.wait())

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._process.terminate()

    def ask_to_end(self) -> None:
        """Close its standard input, on which it finishes and exits."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()

    def await_end(self, deadline: float) -> None:
        """Wait for its end until `deadline` of the monotonic clock, then kill it."""
        # It may still be writing. Discard its output: a full pipe would block it.
        os.set_blocking(self.fileno(), False)
        while not self.has_ended and time.monotonic() < deadline:
            try:
                self.has_ended = not os.read(self.fileno(), _READ_BYTES)
            except BlockingIOError:
                time.sleep(_POLL_SECONDS)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._output.close()
