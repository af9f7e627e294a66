"""What processes take of this machine, as /proc tells it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """The process and all that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                children.setdefault(int(_stat(int(folder.name))[1]), []).append(int(folder.name))
    found = [pid]
    for member in found:  # it grows meanwhile
        found += children.get(member, [])
    return found


def resident(pid: int) -> int:
    """Bytes of memory that it and all it started have now, shared pages counted for each."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1]) * _PAGE
    return total


def spent(pid: int) -> float:
    """Seconds of CPU that it and all it started have used, of those that still run."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            total += sum(map(int, _stat(member)[11:13]))
    return total / _TICKS


def use(pid: int, seconds: float) -> float:
    """The share of one core that they use, over so many seconds."""
    before, begun = spent(pid), time.monotonic()
    time.sleep(seconds)  # it is over that time that they are measured
    return (spent(pid) - before) / (time.monotonic() - begun)


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on: a name may have anything in it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
