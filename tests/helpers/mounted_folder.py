"""A folder that is a file system of its own, as small as a test wants it."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield folder
    finally:
        # A process that has ended may still be in its folder for a moment.
        wait_for("umount", lambda: subprocess.run(["umount", folder], check=False).returncode == 0)
