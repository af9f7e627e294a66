"""Starting processes that outlive the command and terminal that started them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from memocast.errors import LibraryError, MemocastError
from memocast.library.seeder_lock import START_SECONDS, SeederLock
from memocast.library.tables.failures import translated
from memocast.processes.self_command import start

if TYPE_CHECKING:
    from pathlib import Path

_POLL_SECONDS = 0.02
_TAKE_OVER_SECONDS = 2.0


def start_seeder(root: Path) -> int:
    """Start the library's seeder in the background; return its pid once peers can connect.

    If another process becomes the seeder first, returns its pid.
    Raises MemocastError with the seeder's own error if it cannot start.
    """
    log = root / "log" / "seeder.log"
    seeder_lock = SeederLock(root)
    with translated(log), log.open("ab") as output:
        begin = output.tell()
        last_stop = str(seeder_lock.last_stop())
        seeder = start(
            root, *("seed", "--detached", "--last-stop", last_stop), stdout=output, stderr=output
        )
    deadline = time.monotonic() + START_SECONDS
    while True:
        report = seeder_lock.report()
        if report:
            return report.pid
        ended = seeder.poll()
        # It exits with 0 when another seeder was first; that one will report. When seeders were
        # stopped meanwhile, perhaps by one that takes over, it does so too, or dies of the signal.
        has_left = ended is not None and ended <= 0
        was_stopped = has_left and str(seeder_lock.last_stop()) != last_stop
        if was_stopped:
            deadline = min(deadline, time.monotonic() + _TAKE_OVER_SECONDS)
        if (ended and not was_stopped) or time.monotonic() > deadline:
            raise _stopped() if was_stopped else _failure(log, begin, ended)
        time.sleep(_POLL_SECONDS)


def start_backup(root: Path) -> None:
    """Back up the library's database in a background process."""
    with translated(root):
        start(root, "doctor", "--back-up")


def _stopped() -> MemocastError:
    return MemocastError(
        "the seeder was stopped while it started", hint="memocast seed --background"
    )


def _failure(log: Path, begin: int, ended: int | None) -> MemocastError:
    with log.open("rb") as file:
        file.seek(begin)
        said = file.read(10_000).decode(errors="replace").splitlines()
    errors = [line.partition("error: ")[2] for line in said if "error: " in line]
    hints = [line.partition("hint: ")[2] for line in said if "hint: " in line]
    reason = errors[-1] if errors else "no answer" if ended is None else f"exit code {ended}"
    kind = LibraryError if ended == LibraryError.exit_code else MemocastError
    return kind(
        f"the seeder did not start: {reason}",
        hint=hints[-1] if hints else f"read {os.fspath(log)}",
    )
