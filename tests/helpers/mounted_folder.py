"""A folder that is a file system of its own, as small and as full as a test wants it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING

from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_BYTES = 4096
_FILLER = "filler"


@contextlib.contextmanager
def mounted(folder: Path, size: str, kind: str = "tmpfs") -> Iterator[Path]:
    """A file system of its own: in memory, or `ext4` in a file, whose blocks have 1 kB."""
    folder.mkdir()
    if kind == "tmpfs":
        source = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    else:
        image = folder.with_name(f"{folder.name}.{kind}")
        make = ["mkfs.ext4", "-q", "-b", "1024", "-m", "0", image, size]
        subprocess.run(make, check=True)
        source = ["-o", "loop", str(image)]
    subprocess.run(["mount", *source, folder], check=True)
    try:
        yield folder
    finally:
        # A process that has ended may still be in its folder for a moment.
        wait_for("umount", lambda: subprocess.run(["umount", folder], check=False).returncode == 0)


def make_read_only(disk: Path) -> None:
    """Make the file system in that folder read-only, as root notices too."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def free_bytes(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def fill(disk: Path, pages: int) -> None:
    """Leave so many pages of 4 kB of the file system, or a little less."""
    make_room(disk)
    os.sync()  # ext4 counts what was deleted only then
    with (disk / _FILLER).open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while (excess := free_bytes(disk) - pages * PAGE_BYTES) > 0:
            file.write(bytes(min(excess, 1 << 20)))


def make_room(disk: Path) -> None:
    """Take back what `fill` wrote."""
    (disk / _FILLER).unlink(missing_ok=True)
