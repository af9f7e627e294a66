"""Adding audio from a file, a stream or a download as a memo, byte for byte."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from memocast.audio import decoder
from memocast.audio.examine import examine
from memocast.errors import MemocastError, Refused, UsageError
from memocast.files import open_regular
from memocast.formats.memo import checked_description, checked_title, title_from_file
from memocast.library.draft import NewMemo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memocast.formats.memo import Memo
    from memocast.library.draft import Draft
    from memocast.library.library import Library
    from memocast.library.staging import StagingEntry

MAX_STREAM_BYTES = 4 << 30
_BLOCK_BYTES = 1 << 20


def add_file(
    library: Library,
    path: Path,
    title: str | None = None,
    description: str = "",
    notify: Callable[[float], None] = lambda _: None,
) -> Memo:
    """Add an audio file and return its memo, with that `title` or one from the file's name.

    `notify` is called with the seconds of audio examined so far. Raises UsageError, Refused,
    NoSound, LibraryError, and MemocastError when it cannot be read.
    """
    _check_source(path)
    title = checked_title(title_from_file(path.name) if title is None else title)
    checked_description(description)

    def write(target: IO[bytes]) -> None:
        with _opened(path) as source:
            _copy(library, source, target, path.name)

    def draft(format_: str) -> Draft:
        return library.draft(title, description, format_, "added")

    return take_in(library, path.name, write, draft, notify)


def add_stream(
    library: Library,
    source: IO[bytes],
    title: str,
    description: str = "",
    notify: Callable[[float], None] = lambda _: None,
    name: str = "standard input",
) -> Memo:
    """Add the audio read from `source`, called `name` in errors. Raises as `add_file` does."""
    title = checked_title(title)
    checked_description(description)

    def write(target: IO[bytes]) -> None:
        _copy(library, source, target, name, MAX_STREAM_BYTES)

    def draft(format_: str) -> Draft:
        return library.draft(title, description, format_, "added")

    return take_in(library, name, write, draft, notify)


def take_in(
    library: Library,
    name: str,
    write: Callable[[IO[bytes]], None],
    draft: Callable[[str], Draft],
    notify: Callable[[float], None],
) -> Memo:
    """Make a memo of the audio that `write` puts into a file, called `name` in errors.

    `draft` returns the draft for the format that the audio turns out to have. `notify` is as in
    `add_file`. Raises what `write` raises, Refused, NoSound and LibraryError.
    """
    decoder.load(name.rpartition(".")[2].lower())  # a guess; the first bytes decide
    with library.translated():
        entry = library.staging.create("import")
    try:
        # In a folder of its own, so that its name cannot be that of another file of the entry.
        staged = entry.folder / "source" / name
        with library.translated():
            staged.parent.mkdir()
            target = staged.open("wb")
        try:
            write(target)
        finally:
            with library.translated():
                target.close()  # which writes the rest, if it was not written yet
        return keep_staged(library, entry, staged, draft, notify)
    except BaseException:
        entry.discard()
        raise


def keep_staged(
    library: Library,
    entry: StagingEntry,
    staged: Path,
    draft: Callable[[str], Draft],
    notify: Callable[[float], None],
) -> Memo:
    """Make a memo of the audio in the entry's file `staged`. `draft` is as in `take_in`."""
    with library.translated():
        sound = examine(staged, notify)
    with library.translated():
        staged.rename(entry.audio(sound.format))
    return library.keep(entry, NewMemo(draft(sound.format), sound.duration, sound.peaks))


def _check_source(path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"'{path}' is a directory", hint=f"name the files: {path}/*")
        if not path.exists():
            raise UsageError(f"there is no file '{path}'", hint="check the name")
        _opened(path).close()
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' cannot be read: {error}", hint="check its owner") from error


def _opened(path: Path) -> IO[bytes]:
    """Open a file of the user's. Raises OSError and UsageError."""
    file = open_regular(path)
    if file is None:
        raise UsageError(f"'{path}' is not a regular file", hint="pipe it: … | memocast add -")
    return file


def _copy(
    library: Library, source: IO[bytes], target: IO[bytes], name: str, limit: int | None = None
) -> None:
    while block := _read(source, name):
        with library.translated():
            target.write(block)
        if limit is not None and target.tell() > limit:
            raise Refused(f"{name} is larger than {limit >> 30} GiB", hint="split it into parts")


def _read(file: IO[bytes], name: str) -> bytes:
    try:
        return file.read(_BLOCK_BYTES)
    except (OSError, io.UnsupportedOperation) as error:
        said = getattr(error, "strerror", None) or error
        raise MemocastError(
            f"'{name}' cannot be read: {said}", hint="check the disk it is on"
        ) from error
