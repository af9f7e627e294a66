"""The `export` command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from memocast.cli.context import JsonOption, MemosArgument, app_context
from memocast.cli.output_file import write
from memocast.cli.terminal import console
from memocast.errors import UsageError
from memocast.files import copy

if TYPE_CHECKING:
    from memocast.formats.memo import Memo
    from memocast.library.library import Library


def export(
    context: typer.Context,
    memo: MemosArgument,
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE|DIR|-", help="Where to write; '-' is standard output."
        ),
    ] = ".",
    tags: Annotated[
        bool, typer.Option("--tags", help="Tag the copy with title, description and date.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    json: JsonOption = False,
) -> None:
    """Copy the audio, byte for byte, to a file named after the title; print its path.

    Example: memocast export latest --tags -o ~/Music
    """
    current = app_context(context, "read")
    if output == "/dev/stdout":  # a symbolic link, which no file may replace
        output = "-"
    if output == "-" and (len(memo) > 1 or tags or json):
        raise UsageError("'-o -' writes one memo, unchanged", hint="leave out --tags and --json")
    if len(memo) > 1 and not _is_folder(output):
        raise UsageError(f"'{output}' is not a directory", hint="several memos need one: -o DIR")
    if output.endswith("/") and not _is_folder(output):
        raise UsageError(f"there is no directory '{output}'", hint="create it first")
    attempts = console.Attempts()

    def export_one(found: Memo) -> dict[str, str]:
        path = _target(found, Path(output))
        _export(current.library, found, path, tags=tags, force=force)
        if not json:
            console.path(path)
        return {"id": found.id, "path": str(path)}

    wanted = current.memos(memo, attempts)
    if output == "-":
        attempts.each(wanted, lambda found: _to_stdout(current.library.path(found)))
    else:
        written = attempts.each(wanted, export_one)
        if json:
            console.document(written)
    attempts.finish()


def _to_stdout(path: Path) -> None:
    if sys.stdout.isatty():
        raise UsageError("cannot write audio to a terminal", hint="pipe it, or name a file with -o")
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _target(memo: Memo, output: Path) -> Path:
    from memocast.text import file_name

    return output / file_name(memo.title, memo.format) if _is_folder(output) else output


def _is_folder(path: str | Path) -> bool:
    # pathlib's is_dir raises when a name is too long.
    return os.path.isdir(path)  # noqa: PTH112


def _export(library: Library, memo: Memo, path: Path, *, tags: bool, force: bool) -> None:
    def fill(file: IO[bytes]) -> None:
        copy(library.path(memo), file)
        if tags:
            from memocast.audio.tags import write_tags

            write_tags(file, memo)

    write(path, fill, force=force)
