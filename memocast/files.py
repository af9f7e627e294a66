"""Files: atomic writes, locks, hashes and stamps."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

_ANEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TO_USE_NAMES = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
"""O_PATH needs only permission to use names in the folder, not to list them."""

_COPIED_AT_ONCE = 1 << 26
"""Bytes. Ctrl-C waits until they are copied."""

_LOOK_SECONDS = 0.02

FileStamp = tuple[int, int]
"""A file's size in bytes and modification time in nanoseconds; (0, 0) if it does not exist."""


def file_stamp(path: Path | str) -> FileStamp:
    """Return the file's current stamp."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path takes five times as long to make
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


@contextlib.contextmanager
def creating(path: Path, *, mode: int = 0o666, replace: bool = False) -> Iterator[IO[bytes]]:
    """Create a file to write and read, which is renamed to `path` if the block succeeds.

    It has the permissions `mode` (less the umask) from its first byte. Until it is complete and
    on disk it has a random name in the same folder, which is removed in any case. So other users
    who can write there can neither guess the name nor redirect it.

    Raises FileExistsError when `path` exists, unless `replace` is set; a symbolic link is replaced
    itself, and its target stays unchanged.
    """
    partial = f".memocast-{os.urandom(8).hex()}.part"
    # Open the folder once: the path may lead to another one a moment later.
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
        # A hard link does not replace a file created there meanwhile.
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
    except PermissionError:  # a folder that may be written but not read
        return
    try:
        os.fsync(readable)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # unsupported there
            raise
    finally:
        os.close(readable)


def lock(path: Path, *, wait: float = 0.0, shared: bool = False, make: bool = True) -> int | None:
    """Lock the file (flock), created if need be; return the descriptor that holds the lock.

    Returns None if it is still locked after `wait` seconds; `math.inf` waits for ever. The lock
    lasts until the descriptor is closed or the process ends; a `shared` lock admits others.
    """
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    # On a read-only disk a shared lock can still be had.
    access = os.O_RDONLY if shared and not make else os.O_RDWR
    flags = access | os.O_CLOEXEC | (os.O_CREAT if make else 0)
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
    """Hold the file's lock during the block; yield False if `lock` did not get it."""
    descriptor = lock(path, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def write_atomically(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write `path` so that readers see the old content or the new, even after a crash."""
    with creating(path, mode=mode, replace=True) as file:
        file.write(content)


def copy(source: Path, target: IO[bytes]) -> None:
    """Copy the content of `source` to the new file `target`."""
    import shutil

    with source.open("rb") as file:
        # On some file systems both then share their blocks; some systems lack this call.
        with contextlib.suppress(AttributeError, OSError):
            while os.copy_file_range(file.fileno(), target.fileno(), _COPIED_AT_ONCE):
                pass
        shutil.copyfileobj(file, target)


def open_regular(path: Path) -> BufferedReader | None:
    """Open a file to read; None if something else than a regular file has that name.

    Where others may write, a pipe can take a file's place at any moment, and opening one waits for
    whoever writes to it. Raises OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            return None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


def holds(path: Path, content: bytes) -> bool:
    """Return whether a regular file of that name has that content. Raises OSError."""
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return False
    if file is None:
        return False
    with file:
        return file.read(len(content) + 1) == content


def regular_hash(path: Path, size: int | None = None) -> bytes | None:
    """Return the SHA-256 of a regular file; None if there is none, or none of that `size`.

    Raises OSError.
    """
    import hashlib

    try:
        file = open_regular(path)
    except FileNotFoundError:
        return None
    if file is None:
        return None
    with file:
        if size is not None and os.fstat(file.fileno()).st_size != size:
            return None
        return hashlib.file_digest(file, "sha256").digest()


def file_hash(path: Path) -> bytes:
    """Return the file's SHA-256."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def fsync_and_hash(path: Path) -> bytes:
    """Flush the file to disk; return its SHA-256."""
    fsync_file(path)
    return file_hash(path)


def fsync_file(path: Path) -> None:
    """Flush the file's content to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def piece_hashes(path: Path, length: int) -> tuple[bytes, bytes]:
    """Return the file's SHA-256, and the SHA-1 of each piece, joined.

    A piece has `length` bytes; the last one may be shorter (BEP 3).
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
    """Flush the file to disk; return its `piece_hashes`."""
    fsync_file(path)
    return piece_hashes(path, length)


def fsync_folder(folder: Path) -> None:
    """Flush the names in the folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
