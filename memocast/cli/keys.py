"""Keys as they are pressed, from a terminal that is put back as it was."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from typing import TYPE_CHECKING

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


@contextlib.contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Yield `read(seconds)`: the next key's name, or '' when none was pressed in that time.

    Where standard input is no terminal it only waits.
    """
    if not sys.stdin.isatty():
        yield _wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSADRAIN)
    try:
        yield lambda seconds: _read(descriptor, seconds)
    finally:
        with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def _read(descriptor: int, seconds: float) -> str:
    if not select.select([descriptor], [], [], seconds)[0]:
        return ""
    # An escape sequence arrives in one piece; the key Escape alone.
    try:
        pressed = os.read(descriptor, 32)
    except OSError:
        pressed = b""
    if not pressed:  # the terminal is gone, or ^D
        return _wait(seconds)
    return _NAMES.get(pressed, pressed[:1].decode(errors="ignore"))
