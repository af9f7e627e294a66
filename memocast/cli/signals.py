"""How signals end a command.

`nohup` starts a command with SIGHUP ignored; it then stays ignored.
"""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def interrupt_on_sigterm() -> None:
    """Make SIGTERM interrupt the command as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def interrupt_on_end() -> None:
    """Make SIGTERM and SIGHUP interrupt the command as Ctrl-C does."""
    for number in (signal.SIGTERM, *_hangup()):
        signal.signal(number, signal.default_int_handler)


def interrupt_once() -> Callable[[], None]:
    """Make the first SIGINT, SIGTERM or SIGHUP interrupt the command, and ignore later ones.

    Returns a function that ignores them from then on, for when a key ends the command.
    They stay ignored until the process ends, so that it can report what it kept.
    """
    ending = (signal.SIGINT, signal.SIGTERM, *_hangup())

    def ignore_them() -> None:
        for number in ending:
            signal.signal(number, signal.SIG_IGN)

    def interrupt(_number: int, _frame: object) -> None:
        ignore_them()
        raise KeyboardInterrupt

    for number in ending:
        signal.signal(number, interrupt)
    return ignore_them


def noted(*, only_sigterm: bool = False) -> Callable[[], bool]:
    """Record the signals instead of interrupting; return a function that says if one came."""
    received: list[int] = []
    numbers = () if only_sigterm else (signal.SIGINT, *_hangup())
    for number in (signal.SIGTERM, *numbers):
        signal.signal(number, lambda number, _frame: received.append(number))
    return lambda: bool(received)


def outlive_terminal() -> None:
    """Keep running when the terminal is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextlib.contextmanager
def unstoppable() -> Iterator[None]:
    """Ignore Ctrl-Z for the block."""
    before = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def _hangup() -> tuple[signal.Signals, ...]:
    return () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
