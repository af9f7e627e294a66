"""Writing the output files that the user names."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING

from memocast.cli import signals
from memocast.errors import MemocastError, UsageError
from memocast.files import creating

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def check_target(path: Path, *, force: bool = False) -> None:
    """Raise UsageError unless a regular file may be written there."""
    with _translated(path):
        if path.is_dir():
            raise UsageError(f"'{path}' is a directory", hint="name a file")
        if not path.parent.is_dir():
            raise UsageError(f"there is no directory '{path.parent}'", hint="create it first")
        if path.exists() and not path.is_file():
            raise UsageError(f"'{path}' is not a regular file", hint="name another file")
        if os.path.lexists(path) and not force:
            raise _exists(path)


def write(
    path: Path,
    fill: Callable[[IO[bytes]], object],
    *,
    mode: int = 0o666,
    force: bool = False,
) -> None:
    """Write a file with `fill` and put it in place, complete or not at all.

    Symbolic links are not followed: with `force` the file replaces the link itself.
    """
    check_target(path, force=force)
    signals.interrupt_on_end()
    with _translated(path):
        try:
            with creating(path, mode=mode, replace=force) as file:
                fill(file)
        except FileExistsError:
            raise _exists(path) from None


def _exists(path: Path) -> UsageError:
    return UsageError(f"'{path}' exists", hint="name another file, or overwrite it with --force")


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MemocastError(
            f"cannot write '{path}': {error.strerror or error}",
            hint="check the name, the folder's owner and its free space",
        ) from error
