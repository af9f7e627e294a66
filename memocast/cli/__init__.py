"""The command line: the typer app, and the one place that turns errors into exit codes."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer._click.exceptions import ClickException, UsageError

from memocast.cli.lazy_commands import Commands
from memocast.cli.terminal import console
from memocast.errors import MemocastError
from memocast.processes import process_limits
from memocast.text import redacted

INTERRUPTED = 130
_OF_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG)

_roots: list[Path] = []
"""The library of this process; the traceback of a crash is written to its log."""

app = typer.Typer(
    name="memocast",
    cls=Commands,
    rich_markup_mode=None,  # rich takes as long to draw the help as everything else together
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from memocast.version import __version__

        console.data(f"memocast {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    library: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Use this library, not $MEMOCAST_LIBRARY or your data folder.",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Record a voice memo and share it as a link. Anyone with the link can listen."""
    from memocast.cli.context import AppContext
    from memocast.library.location import library_root

    context.obj = AppContext(library_root(library), context)
    _roots.append(context.obj.root)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code. Only here do errors become messages."""
    # numpy only gathers peaks. For linear algebra that nothing here does, it would start a
    # thread per core, which takes a third of the time of 'add' and 'fetch'.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console.set_up_streams()
    try:
        code = app(args=arguments, prog_name="memocast", standalone_mode=False)
        if code == INTERRUPTED:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
        sys.stdout.flush()
    except MemocastError as error:
        console.report(error)
        return error.exit_code
    except UsageError as error:
        console.report(_usage(error))
        return error.exit_code
    except ClickException as error:
        console.report(MemocastError(error.format_message()))
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt, EOFError):
        console.note("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output has gone
            _forget_stdout()
            return 1
        if error.filename is None and error.errno in _OF_OUTPUT:
            _forget_stdout()
            failed = MemocastError(f"cannot write the output: {error.strerror}")
            failed.__cause__ = error
            console.report(failed)
            return 1
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _usage(error: UsageError) -> MemocastError:
    message = error.format_message().rstrip(".")
    command = error.ctx.command_path if error.ctx else "memocast"
    return MemocastError(
        message[:1].lower() + message[1:], hint=f"see the options: {command} --help"
    )


def _unexpected(error: Exception) -> int:
    """Report a limit that is too low; or a bug, and save the traceback for a bug report."""
    found = process_limits.cause(error)
    if found:
        console.report(MemocastError(found[0], hint=found[1]))
        return MemocastError.exit_code
    import traceback

    trace = "".join(traceback.format_exception(error))
    try:
        log = _roots[-1] / "log" / "crash.log"
        log.write_text(redacted(trace), errors="replace")
        hint = f"please report it with {log}"
    except (IndexError, OSError):  # there is no library yet, or it is not writable
        hint = f"please report it: {trace.splitlines()[-3].strip()}"
    name = type(error).__name__
    console.report(MemocastError(f"unexpected {name}: {error}", hint=hint))
    return MemocastError.exit_code


def _forget_stdout() -> None:
    """Keep Python from reporting the output that it could not flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
