"""How memocast starts itself."""

from __future__ import annotations

import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def command(root: Path, *arguments: str) -> list[str]:
    """The command line that runs memocast on the library in `root`, as it runs now."""
    # -P: a folder called 'memocast' where the user happens to be is not our code.
    return [sys.executable, "-P", "-m", "memocast", "--library", str(root), *arguments]


def start(
    root: Path,
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start that command in a session of its own, where no terminal's Ctrl-C reaches it.

    The streams are as `subprocess.Popen` takes them; descriptors that are `inherited` stay open
    for as long as it lives. Raises OSError.
    """
    return subprocess.Popen(
        command(root, *arguments),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        cwd=root,
        start_new_session=True,
        pass_fds=tuple(inherited),
    )
