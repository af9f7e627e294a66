"""Output and questions; every command follows these rules.

* Data goes to stdout, and nothing else does.
* Notes, questions, meters and errors go to stderr, errors as
  `memocast: error: …` followed by `memocast: hint: …`.
* The form of the data depends on whether stdout is a terminal, meters and
  colour on whether stderr is one, keys and questions on whether stdin is one.
* Text from other people passes through `safe` on its way to a terminal. Links, ids
  and JSON are written as they are, never wrapped or marked up.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from memocast.errors import Interrupted, MemocastError
from memocast.processes.process_limits import hint_for
from memocast.text import acts_on_terminal, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

T = TypeVar("T")
R = TypeVar("R")


def set_up_streams() -> None:
    """Reserve stderr for memocast, and survive streams that are closed or not UTF-8.

    ALSA and PortAudio print to descriptor 2 on their own. That output is
    dropped, and `sys.stderr` writes to a copy of the descriptor.
    """
    # A file opened later must not become descriptor 0, 1 or 2 because that was closed.
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= 2:
        nowhere = os.dup(nowhere)
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.dup(nowhere))
    elif isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # as Python reads the command line
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.dup(nowhere), "w")
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    ours = os.dup(nowhere if sys.stderr is None else 2)
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    sys.stderr = os.fdopen(ours, "w", encoding=encoding, errors="replace", buffering=1)
    os.dup2(nowhere, 2)


def data(text: str) -> None:
    """Print one line of a command's result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def path(path: Path) -> None:
    """Print a path as a result, with the exact bytes of its name."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.buffer.flush()


def document(value: Any) -> None:
    """Print a JSON document on one line, escaping characters that a terminal would act on."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() and text.isprintable():
        data(text)
        return
    data("".join(json.dumps(char)[1:-1] if acts_on_terminal(char) else char for char in text))


def note(text: str) -> None:
    """Print a note on stderr."""
    _tell(f"memocast: {redacted(text)}\n")


def _tell(text: str) -> None:
    # A command must not fail because stderr is on a full disk or a closed terminal.
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        # Python would try again at exit, and change our exit code to 120.
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def report(error: MemocastError) -> None:
    """Report what went wrong, and what to do next."""
    kind = "" if isinstance(error, Discarded) else "error: "
    note(f"{kind}{safe(error.message)}")
    hint = hint_for(error)
    if hint:
        note(f"hint: {safe(hint)}")


class Discarded(Interrupted):
    """The user discarded the recording; reported as a note, not as an error."""


class Attempts:
    """Tries every item; the exit code is that of the first failure. An interruption ends it."""

    def __init__(self) -> None:
        self._first: MemocastError | None = None

    def each(self, items: Iterable[T], action: Callable[[T], R]) -> list[R]:
        """Return the results of `action` for the items that succeed, and report the failures."""
        results = []
        for item in items:
            try:
                results.append(action(item))
            except Interrupted:
                raise
            except MemocastError as error:
                self.failed(error)
        return results

    def failed(self, error: MemocastError) -> None:
        """Report one failure and carry on."""
        report(error)
        self._first = self._first or error

    def finish(self) -> None:
        """Exit with the first failure's code, if anything failed."""
        if self._first:
            raise typer.Exit(self._first.exit_code)


def ask(question: str) -> bool:
    """Ask a yes-or-no question on stderr; an empty answer means no."""
    _tell(f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask_text(label: str, current: str) -> str:
    """Ask for a line of text; an empty answer keeps `current`."""
    _tell(f"{label} [{safe(current)}]: ")
    return sys.stdin.readline().rstrip("\n") or current


def safe(text: str, *, lines: bool = False) -> str:
    """Return `text` without characters that a terminal acts on; `lines` keeps line feeds."""
    return "".join(
        char
        if not acts_on_terminal(char) or (lines and char == "\n")
        else " "
        if char in "\t\n\r"
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def ask_secret(question: str) -> str:
    """Ask for a line of text without showing it; return '' at the end of the input."""
    import getpass

    try:
        return getpass.getpass(f"memocast: {question}")
    except EOFError:
        return ""


def stdout_is_terminal() -> bool:
    """Return whether a person reads the data."""
    return sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Return whether meters and colours can be shown."""
    return sys.stderr.isatty()


def lines(most: int) -> Iterator[str]:
    """Yield the lines of standard input, each cut to `most` + 1 characters."""
    while line := sys.stdin.readline(most + 1):
        yield line
        while line and not line.endswith("\n"):
            line = sys.stdin.readline(most)  # the rest, or the end


def stdin_is_terminal() -> bool:
    """Return whether there is a person to ask."""
    return sys.stdin.isatty()


def screen(*, stderr: bool = False) -> Console:
    """Return a rich console for tables and cards (stdout), or meters (stderr); obeys NO_COLOR."""
    from rich.console import Console

    # With NO_COLOR, rich drops only the colours; bold and dim are escape sequences too.
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if plain else "auto",
    )


def count(number: int, what: str) -> str:
    """Return a number with its noun: `1 peer`, `2 peers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def clock(seconds: float) -> str:
    """Return seconds as `1:05` or `1:02:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """Return bytes in decimal units: `640 B`, `12.3 kB`, `4.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
