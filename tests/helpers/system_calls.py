"""The system calls that a command makes, as strace writes them down."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from helpers.programs import needs

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast


def traced(
    user: Memocast, calls: str, arguments: list[str], *options: str, expect: int = 0
) -> list[str]:
    """The system calls of those kinds that a command makes, with the paths of descriptors."""
    log = user.home / "calls"
    strace = [needs("strace"), "-f", "-y", "-qq", "-s", "400", "-e", f"trace={calls}", "-o", log]
    command = [*strace, *options, sys.executable, "-m", "memocast", *arguments]
    done = subprocess.run(
        command, env=user.environment, cwd=user.home, capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done
    found = [line.partition(" ")[2].strip() for line in log.read_text().splitlines()]
    log.unlink()
    return found
