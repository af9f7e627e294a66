"""Processes: ended with a block, and whether one still runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@contextlib.contextmanager
def running(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """End the process and close its pipes when the block ends, however it ends."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def is_running(number: int) -> bool:
    """False for a zombie too: it has no command line."""
    command = Path(f"/proc/{number}/cmdline")
    return command.exists() and bool(command.read_bytes())


def processes_of(library: Path) -> list[int]:
    """The processes of memocast that were told to work on that library: seeders above all."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if b"memocast" in words and str(library).encode() in words:
                found.append(int(entry.name))
    return found
