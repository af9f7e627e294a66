"""Starting memocast from memocast."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO, TYPE_CHECKING

from memocast.processes.crash_watch import STARTED_BY_US

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def command(root: Path, *arguments: str) -> list[str]:
    """Return the command line that runs this memocast on the library in `root`."""
    # -P: a folder called 'memocast' in the current directory is not our code.
    return [sys.executable, "-P", "-m", "memocast", "--library", str(root), *arguments]


def start(
    root: Path,
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start that command in its own POSIX session, out of reach of the terminal's Ctrl-C.

    The streams are as `subprocess.Popen` takes them; the `inherited` descriptors stay open for
    as long as it lives. Raises OSError.
    """
    return subprocess.Popen(
        command(root, *arguments),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=root,
        env={**os.environ, STARTED_BY_US: "1"},
        start_new_session=True,
        pass_fds=tuple(inherited),
    )
