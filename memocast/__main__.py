"""The entry point of `python -m memocast` and of the installed command."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run one command and exit with its code."""
    # While modules load, Ctrl-C simply ends the process; main() handles it later.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Loading creates no garbage, and looking for it takes some milliseconds.
    gc.disable()
    from memocast.cli import main

    gc.freeze()
    gc.enable()
    code = 1
    try:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    except KeyboardInterrupt:  # just before or just after main() handles it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    # Everything is done and reported. Python's own shutdown takes another 10 ms, in which
    # Ctrl-C would still have an effect.
    os._exit(code)


if __name__ == "__main__":
    run()
