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
import time
import unicodedata
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from memocast.errors import Interrupted, MemocastError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console, RenderableType
    from rich.live import Live

T = TypeVar("T")

_JOINERS = "\u200c\u200d"


def set_up_streams() -> None:
    """Keep stderr to ourselves, and survive streams that are closed or not UTF-8.

    ALSA, PortAudio and mpg123 print to descriptor 2 on their own; what they
    say goes nowhere, while `sys.stderr` goes on through a copy of it.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.dup(nowhere), "w")
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    ours = os.dup(nowhere if sys.stderr is None else 2)
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    sys.stderr = os.fdopen(ours, "w", encoding=encoding, errors="replace", buffering=1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def data(text: str) -> None:
    """One line of a command's result."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def document(value: Any) -> None:
    """A JSON document on one line, with no character that a terminal would act on."""
    text = json.dumps(value, ensure_ascii=False)
    data("".join(json.dumps(char)[1:-1] if _acts(char) else char for char in text))


def note(text: str) -> None:
    """Something worth knowing that is not data."""
    sys.stderr.write(f"memocast: {text}\n")
    sys.stderr.flush()


def report(error: MemocastError) -> None:
    """Say what went wrong, and what to do next."""
    note(f"error: {safe(error.message)}")
    if error.hint:
        note(f"hint: {safe(error.hint)}")


def each(items: Iterable[T], action: Callable[[T], None]) -> None:
    """Try all; exit with the code of the first that failed. A user's stop ends it at once."""
    first: MemocastError | None = None
    for item in items:
        try:
            action(item)
        except Interrupted:
            raise
        except MemocastError as error:
            report(error)
            first = first or error
    if first:
        raise typer.Exit(first.exit_code)


def ask(question: str) -> bool:
    """A yes-or-no question on stderr; no answer is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def ask_text(label: str, current: str) -> str:
    """Ask for a line of text; an empty answer keeps `current`."""
    sys.stderr.write(f"{label} [{safe(current)}]: ")
    sys.stderr.flush()
    return sys.stdin.readline().rstrip("\n") or current


def safe(text: str, *, lines: bool = False) -> str:
    """`text` with nothing in it that a terminal acts on; with `lines`, line feeds stay."""
    return "".join(
        char
        if not _acts(char) or (lines and char == "\n")
        else " "
        if char in "\t\n\r"
        else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )


def _acts(char: str) -> bool:
    # Controls, marks that turn the writing direction, line separators, half characters.
    return char not in _JOINERS and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def stdout_is_terminal() -> bool:
    """Whether data is for a person to read."""
    return sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Whether meters and colours can be shown."""
    return sys.stderr.isatty()


def stdin_is_terminal() -> bool:
    """Whether there is someone to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def screen(*, stderr: bool = False) -> Console:
    """A rich console for tables and cards (stdout), or meters (stderr). Obeys NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def meter(initial: RenderableType) -> Live:
    """A display on stderr that changes in place and leaves nothing behind."""
    from rich.live import Live

    return Live(
        initial,
        console=screen(stderr=True),
        transient=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )


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


class Counter:
    """Tells how many seconds of audio were read, on a terminal, once it takes over a second."""

    def __init__(self, label: str) -> None:
        self._label = safe(label)
        self._began = time.monotonic()
        self._shown = self._began
        self._used = False

    def __call__(self, seconds: float) -> None:
        """Hear how far it is."""
        moment = time.monotonic()
        if stderr_is_terminal() and moment - self._began > 1 and moment - self._shown > 0.1:
            self._shown = moment
            self._used = True
            sys.stderr.write(f"\r\x1b[K{self._label}: {clock(seconds)}")
            sys.stderr.flush()

    def done(self) -> None:
        """Leave the line clean."""
        if self._used:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
