"""The process of a worker, as its supervisor sees it.

It writes its events as lines of JSON: `{"event": NAME, ...}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.library.seeder_report import event_of
from memocast.library.tables.failures import translated
from memocast.processes.line_process import LineProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memocast.library.seeder_report import Event


class WorkerProcess(LineProcess):
    """A running `memocast seed --session`. Making one raises LibraryError."""

    def __init__(self, root: Path, arguments: Sequence[str], inherited: int) -> None:
        """Start the process; the descriptor `inherited` stays open for as long as it lives."""
        log = root / "log" / "seeder.log"
        with translated(log), log.open("ab") as errors:
            super().__init__(
                root, "seed", "--session", *arguments, errors=errors, inherited=[inherited]
            )

    def read(self) -> list[Event]:
        """Return the events that have arrived; wait if there is nothing to read."""
        return [event_of(document) for document in self.documents()]
