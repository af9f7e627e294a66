"""`export`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import console
from memocast.cli.state import JsonOption, MemosArgument, state
from memocast.errors import MemocastError, UsageError

if TYPE_CHECKING:
    from memocast.library import Library
    from memocast.memo import Memo


def register(app: typer.Typer) -> None:
    """Add this family's commands to the application."""
    app.command()(export)


def export(
    context: typer.Context,
    memo: MemosArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE|DIR|-", help="Where to; '-' is standard output."
        ),
    ] = ".",
    tags: Annotated[
        bool, typer.Option("--tags", help="Write title, description and date into the copy.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json: JsonOption = False,
) -> None:
    """Copy the audio out, byte for byte, under its title; print the path written.

    Example: memocast export latest --tags -o ~/Music
    """
    current = state(context)
    if output == "-" and (len(memo) > 1 or tags or json):
        raise UsageError("'-o -' writes one memo as it is", hint="leave out --tags and --json")
    if len(memo) > 1 and not Path(output).is_dir():
        raise UsageError(f"'{output}' is no directory", hint="several memos need one: -o DIR")
    written: list[dict[str, str]] = []

    def export_one(reference: str) -> None:
        found = current.library.get(reference)
        if output == "-":
            _to_stdout(current.library.path(found))
            return
        path = _export(current.library, found, Path(output), tags=tags, force=force)
        written.append({"id": found.id, "path": str(path)})
        if not json:
            console.data(str(path))

    try:
        console.each(memo, export_one)
    finally:
        if json:
            console.document(written)


def _to_stdout(path: Path) -> None:
    if sys.stdout.isatty():
        raise UsageError("audio is not for a terminal", hint="pipe it, or name a file with -o")
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _export(library: Library, memo: Memo, output: Path, *, tags: bool, force: bool) -> Path:
    from memocast.torrent import file_name

    target = output / file_name(memo.title, memo.format) if output.is_dir() else output
    if target.is_dir():
        raise UsageError(f"'{target}' is a directory", hint="name a file with -o")
    if not target.parent.is_dir():
        raise UsageError(f"there is no directory '{target.parent}'", hint="create it first")
    if target.exists() and not force:
        raise UsageError(
            f"'{target}' exists", hint="name another file with -o, or overwrite it with --force"
        )
    # The partial copy keeps the extension: the tagger goes by it.
    partial = target.with_name(f".{os.getpid()}.{memo.id}.part.{memo.format}")
    try:
        shutil.copyfile(library.path(memo), partial)
        if tags:
            from memocast.tags import write_tags

            write_tags(partial, memo)
        _put(partial, target, force=force)
    except OSError as error:
        raise MemocastError(
            f"cannot write '{target}': {error.strerror or error}",
            hint="check the folder's owner and its free space",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _put(partial: Path, target: Path, *, force: bool) -> None:
    if force:
        partial.replace(target)
        return
    try:
        # A link refuses to replace what someone else has put there meanwhile.
        os.link(partial, target)
    except FileExistsError:
        raise UsageError(f"'{target}' exists", hint="overwrite it with --force") from None
    except OSError:  # a file system without links
        partial.rename(target)
