"""Arguments that may be secrets: read where nobody sees them, or warned of where others could.

Everybody on a machine can see the arguments of a command, in `ps`, and a shell keeps them.
"""

from __future__ import annotations

from memocast.cli.terminal import console
from memocast.text import has_key


def read(given: str, question: str) -> str:
    """Return `given`, or for '-' the first line of standard input, which a person is asked for."""
    from memocast.formats.link import MAX_TEXT

    if given != "-":
        return given
    if console.stdin_is_terminal():
        return console.ask_secret(question)
    return next(console.lines(MAX_TEXT), "").strip()


def warn(command: str, what: str) -> None:
    """Say that the secret was given as an argument, and how to give it next time."""
    console.note(
        f"the {what} was an argument, which others on this machine can see, and your shell's"
        f" history keeps it; next time: memocast {command} -"
    )


def warn_of_key(text: str, command: str) -> None:
    """Warn whoever types it if `text`, an argument, contains the key of something private."""
    if has_key(text) and console.stderr_is_terminal():
        warn(command, "link with its key")
