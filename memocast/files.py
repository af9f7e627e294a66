"""Files that survive a crash, and what tells one state of a file from another."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ANEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_USE_NAMES = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""O_PATH needs no right to list the folder's names, only that to use them."""

_COPIED_AT_ONCE = 1 << 26
"""Bytes. Ctrl-C waits that long."""

_LOOK_SECONDS = 0.02

FileStamp = tuple[int, int]
"""A file's size in bytes and its time of modification in nanoseconds; (0, 0) when it is gone."""


def file_stamp(path: Path | str) -> FileStamp:
    """The file's Stamp at this moment."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path takes five times as long to make
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


@contextlib.contextmanager
def creating(path: Path, *, mode: int = 0o666, replace: bool = False) -> Iterator[IO[bytes]]:
    """A file to be written and read, which has the name `path` when the block ends without error.

    It is made anew, with the permissions `mode` (less the umask) from its first byte. Until it is
    whole and on disk it has a random name in the same folder; however the block ends, that name
    goes. So others who can write there can neither guess it nor have it lead elsewhere.

    Raises FileExistsError when something has the name `path`, unless it is to `replace` that; a
    symbolic link is replaced itself, and what it leads to stays as it is.
    """
    partial = f".memocast-{os.urandom(8).hex()}.part"
    # What the path leads to is looked up once: it may be another folder a moment later.
    folder = os.open(path.parent, _TO_USE_NAMES)
    try:
        with open(
            partial, "w+b", opener=lambda name, _: os.open(name, _ANEW, mode, dir_fd=folder)
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(partial, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            _name_anew(partial, path.name, folder)
        _fsync_names(folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        os.close(folder)


def _name_anew(partial: str, name: str, folder: int) -> None:
    try:
        # A hard link does not replace what someone else has put there meanwhile.
        os.link(partial, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        os.close(os.open(name, _ANEW, 0o600, dir_fd=folder))
        try:
            os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(name, dir_fd=folder)
            raise


def _fsync_names(folder: int) -> None:
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:  # a folder in which everybody may only put something
        return
    try:
        os.fsync(readable)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # not known there
            raise
    finally:
        os.close(readable)


def lock(path: Path, *, wait: float = 0.0, shared: bool = False, make: bool = True) -> int | None:
    """Lock the file (flock), which is made if need be; the descriptor that holds the lock.

    None when others hold it and still do after `wait` seconds; `math.inf` waits for ever. Until
    the descriptor is closed, by whatever end of the process, only others who share it have it too.
    """
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
    descriptor = os.open(path, flags, 0o600)
    deadline = time.monotonic() + wait
    try:
        while True:
            try:
                fcntl.flock(descriptor, kind if wait == math.inf else kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return None
                time.sleep(_LOOK_SECONDS)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise


@contextlib.contextmanager
def locked(path: Path, *, wait: float = math.inf) -> Iterator[bool]:
    """Hold the lock of the file for the block; False when others hold it, as for `lock`."""
    descriptor = lock(path, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Readers of `path` see the old content or the new, never a part, even after a crash."""
    with creating(path, mode=mode, replace=True) as file:
        file.write(content)


def copy(source: Path, target: IO[bytes]) -> None:
    """Write what is in the file `source` to the new file `target`."""
    import shutil

    with source.open("rb") as file:
        # Some file systems have both share their blocks; other systems have no such call.
        with contextlib.suppress(AttributeError, OSError):
            while os.copy_file_range(file.fileno(), target.fileno(), _COPIED_AT_ONCE):
                pass
        shutil.copyfileobj(file, target)


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
