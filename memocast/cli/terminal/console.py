"""The output rules; every command obeys them.

* stdout is data, and nothing else is.
* Notes, questions, meters and errors are on stderr, errors as
  `memocast: error: …` with `memocast: hint: …` after them.
* Whether stdout is a terminal chooses the form of the data; whether stderr is
  one chooses meters and colour; whether stdin is one, keys and questions.
* Text from strangers goes through `safe` before a terminal sees it. Links, ids
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
from memocast.text import acts_on_terminal, redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

T = TypeVar("T")
R = TypeVar("R")


def set_up_streams() -> None:
    """Keep stderr to ourselves, and survive streams that are closed or not UTF-8.

    ALSA and PortAudio print to descriptor 2 on their own; what they say
    goes nowhere, while `sys.stderr` goes on through a copy of it.
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
    """One line of a command's result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def path(path: Path) -> None:
    """A path as a result, with the bytes that its name has."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.buffer.flush()


def document(value: Any) -> None:
    """A JSON document on one line, with no character that a terminal would act on."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() and text.isprintable():
        data(text)
        return
    data("".join(json.dumps(char)[1:-1] if acts_on_terminal(char) else char for char in text))


def note(text: str) -> None:
    """Something worth knowing that is not data."""
    _tell(f"memocast: {redacted(text)}\n")


def _tell(text: str) -> None:
    # A full disk or a closed terminal behind stderr is no reason to fail.
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        # Python would try again at exit, and make 120 of our exit code.
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def report(error: MemocastError) -> None:
    """Say what went wrong, and what to do next."""
    note(f"error: {safe(error.message)}")
    if error.hint:
        note(f"hint: {safe(error.hint)}")


class Attempts:
    """Try all; the exit code is that of the first that failed. A user's stop ends it at once."""

    def __init__(self) -> None:
        self._first: MemocastError | None = None

    def each(self, items: Iterable[T], action: Callable[[T], R]) -> list[R]:
        """What `action` returned for those that did not fail; failures are reported."""
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
        """Report one failure and go on."""
        report(error)
        self._first = self._first or error

    def finish(self) -> None:
        """Exit with the first failure's code, if something failed."""
        if self._first:
            raise typer.Exit(self._first.exit_code)


def ask(question: str) -> bool:
    """A yes-or-no question on stderr; no answer is no."""
    _tell(f"{question} [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask_text(label: str, current: str) -> str:
    """Ask for a line of text; an empty answer keeps `current`."""
    _tell(f"{label} [{safe(current)}]: ")
    return sys.stdin.readline().rstrip("\n") or current


def safe(text: str, *, lines: bool = False) -> str:
    """`text` with nothing in it that a terminal acts on; with `lines`, line feeds stay."""
    return "".join(
        char
        if not acts_on_terminal(char) or (lines and char == "\n")
        else " "
        if char in "\t\n\r"
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def ask_secret(question: str) -> str:
    """Ask for a line of text that does not appear on the screen; empty for none."""
    import getpass

    try:
        return getpass.getpass(f"memocast: {question}")
    except EOFError:
        return ""


def stdout_is_terminal() -> bool:
    """Whether data is for a person to read."""
    return sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Whether meters and colours can be shown."""
    return sys.stderr.isatty()


def lines(most: int) -> Iterator[str]:
    """The lines of standard input; of one that is longer, `most` characters and one more."""
    while line := sys.stdin.readline(most + 1):
        yield line
        while line and not line.endswith("\n"):
            line = sys.stdin.readline(most)  # the rest, or the end


def stdin_is_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin.isatty()


def screen(*, stderr: bool = False) -> Console:
    """A rich console for tables and cards (stdout), or meters (stderr). Obeys NO_COLOR."""

    from rich.console import Console

    # rich drops only the colours: bold and dim are escape sequences too.
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        stderr=stderr,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None if plain else "auto",
    )


def count(number: int, what: str) -> str:
    """`1 peer`, `2 peers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def clock(seconds: float) -> str:
    """`1:05` or `1:02:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float) -> str:
    """`640 B`, `12.3 kB`, `4.5 MB`: decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError
