"""A command that may take neither long nor much memory, whatever it is given."""

from __future__ import annotations

import re
import select
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.memocast_user import Result

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast


MOST_MEMORY = 300 << 10
"""kB that a process may have used at its peak."""


SECONDS = 30.0
"""After which a command hangs."""


def run(
    ben: Memocast, command: str, *words: str | bytes, scratch: Path, stdin: bytes = b""
) -> Result:
    """Run a command to its end, and see that it neither hangs nor takes much memory."""
    (scratch / "output.in").write_bytes(stdin)
    names = [scratch / f"output.{stream}" for stream in ("in", "out", "err")]
    with names[0].open("rb") as given, names[1].open("wb") as out, names[2].open("wb") as err:
        process = ben.start(*command.split(), *words, stdin=given, stdout=out, stderr=err)  # type: ignore[arg-type]
        alarm = threading.Timer(SECONDS, process.kill)
        alarm.start()
        # The peak of this very program and of those that it starts: what `wait4` tells begins at
        # what the tests' own process had when it started it.
        peak = 0
        while process.poll() is None:
            peak = max(peak, *map(high_water, family(process.pid)))
            select.select([], [], [], 0.01)
        alarm.cancel()
    assert process.returncode >= 0, f"{command} hung or was killed: {process.returncode}"
    assert 0 < peak < MOST_MEMORY, f"{command} took {peak:,} kB"
    return Result(process.returncode, names[1].read_text(), names[2].read_text())


def family(pid: int) -> list[int]:
    """The process, and those that its main thread started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        children = []
    return [pid, *(found for child in children for found in family(int(child)))]


def high_water(pid: int) -> int:
    """The most memory that the process has had, in kB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmHWM:\s*(\d+)", status)
    return int(found[1]) if found else 0
