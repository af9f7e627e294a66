"""Files that survive a crash, and what tells one state of a file from another."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Stamp = tuple[int, int]
"""A file's size in bytes and its time of modification in nanoseconds; (0, 0) when it is gone."""


def stamp(path: Path | str) -> Stamp:
    """The file's Stamp at this moment."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path takes five times as long to make
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Readers of `path` see the old content or the new, never a part, even after a crash."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def put_new(partial: Path, path: Path) -> None:
    """Give the file `partial` the name `path`. Raises FileExistsError when something has it."""
    try:
        # A hard link does not replace what someone else has put there meanwhile.
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        partial.rename(path)


def file_hash(path: Path) -> bytes:
    """The file's SHA-256."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def fsync_and_hash(path: Path) -> bytes:
    """Have the file on disk for good; return its SHA-256."""
    fsync_file(path)
    return file_hash(path)


def fsync_file(path: Path) -> None:
    """Have what is in the file on disk for good."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def piece_hashes(path: Path, length: int) -> tuple[bytes, bytes]:
    """The file's SHA-256, and the SHA-1 of each piece, joined.

    `length` of a piece in bytes; the last one may be shorter (BEP 3).
    """
    import hashlib

    whole = hashlib.sha256()
    pieces = []
    with path.open("rb") as file:
        while piece := file.read(length):
            whole.update(piece)
            pieces.append(hashlib.sha1(piece, usedforsecurity=False).digest())
    return whole.digest(), b"".join(pieces)


def fsync_and_hash_pieces(path: Path, length: int) -> tuple[bytes, bytes]:
    """Have the file on disk for good; return its `piece_hashes`."""
    fsync_file(path)
    return piece_hashes(path, length)


def fsync_folder(folder: Path) -> None:
    """Have the names in the folder on disk for good."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
