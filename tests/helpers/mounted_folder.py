"""A folder that is a file system of its own, as small and as full as a test wants it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE_BYTES = 4096
_FILLER = "filler"
_FILES = "files"


@contextlib.contextmanager
def mounted(
    folder: Path, size: str, kind: str = "tmpfs", files: int | None = None
) -> Iterator[Path]:
    """A file system of its own: in memory, or `ext4` in a file, whose blocks have 1 kB.

    It holds so many `files`, by default as many as there is room for.
    """
    folder.mkdir()
    if kind == "tmpfs":
        limit = f",nr_inodes={files}" if files else ""
        source = ["-t", "tmpfs", "-o", f"size={size}{limit}", "tmpfs"]
    else:
        image = folder.with_name(f"{folder.name}.{kind}")
        limits = ["-N", str(files)] if files else []
        make = ["mkfs.ext4", "-q", "-b", "1024", "-m", "0", *limits, image, size]
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


def free_files(disk: Path) -> int:
    return os.statvfs(disk).f_favail


def fill_with_files(disk: Path, left: int) -> None:
    """Leave the file system that many files, with all its bytes."""
    make_room(disk)
    os.sync()
    folder = disk / _FILES
    folder.mkdir()
    for number in range(free_files(disk) - left):
        (folder / str(number)).touch()
    assert free_files(disk) == left


def make_room(disk: Path) -> None:
    """Take back what fills it."""
    (disk / _FILLER).unlink(missing_ok=True)
    if (disk / _FILES).exists():
        shutil.rmtree(disk / _FILES)
