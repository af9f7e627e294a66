"""Reading single keys from a terminal, and restoring its mode."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import time
from typing import TYPE_CHECKING

from memocast.cli.signals import unstoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAMES = {
    b" ": "space",
    b"\r": "enter",
    b"\n": "enter",
    b"\x1b": "escape",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOC": "right",
    b"\x1bOD": "left",
}


_ONE_KEY = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_CTRL_C = b"\x03"


@contextlib.contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Yield `read(seconds)`, which returns the next key's name, or '' if none is pressed in time.

    Ctrl-C raises KeyboardInterrupt. It arrives as a key, not as a signal that
    would also end the shell's `id=$(memocast record)`; and Ctrl-Z cannot leave
    the terminal half set up. If standard input is not a terminal, `read` only waits.
    """
    if not at_the_keyboard():
        yield _wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    mode = termios.tcgetattr(descriptor)
    mode[3] &= ~termios.ISIG
    termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    pressed = bytearray()
    try:
        yield lambda seconds: _read(descriptor, pressed, seconds)
    finally:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def at_the_keyboard() -> bool:
    """Return whether stdin is a terminal that we may set up; a background job may not."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _read(descriptor: int, pressed: bytearray, seconds: float) -> str:
    """Return the next key; `pressed` keeps keys that arrived together with an earlier one."""
    if not pressed:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        with contextlib.suppress(OSError):
            pressed += os.read(descriptor, 1024)
    # An escape sequence arrives in one piece.
    match = _ONE_KEY.match(pressed)
    if match is None:  # the terminal is gone, or ^D
        return _wait(seconds)
    key = match.group()
    del pressed[: len(key)]
    if key == _CTRL_C:
        raise KeyboardInterrupt
    return _NAMES.get(bytes(key), key.decode(errors="ignore"))


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Hide what is typed while a picture is shown; the shell reads it afterwards."""
    if not at_the_keyboard():
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    # If the process were stopped here, the terminal would have neither echo nor cursor.
    with unstoppable():
        try:
            yield
        finally:
            with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
                termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
