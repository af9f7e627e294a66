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
    code = 1
    # While modules load, Ctrl-C simply ends the process; main() handles it later.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    tell = None
    has_said = True
    try:
        # Loading creates no garbage, and looking for it takes some milliseconds.
        gc.disable()
        from memocast.processes.crash_watch import divide, end_before_time_is_used_up
        from memocast.processes.process_limits import tight

        if "f" in tight():
            sys.dont_write_bytecode = True  # Python 3.11 would keep what a limit cut off
        tell = divide()
        end_before_time_is_used_up()
        from memocast.cli import main

        gc.freeze()
        gc.enable()
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main()
        _flush()
    except KeyboardInterrupt:  # just before or just after main() handles it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        has_said = _blame_a_limit(error)
    if tell and has_said:
        tell()
    # Everything is done and reported. Python's own shutdown takes another 10 ms, in which
    # Ctrl-C would still have an effect.
    os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _blame_a_limit(error: BaseException) -> bool:
    """Report the limit that kept modules from loading, or an error from being reported.

    Returns False if that could not be said for sure. Raises the error if no limit is the cause.
    """
    try:
        from memocast.processes.process_limits import cause, say

        found = cause(error)
        if found:
            say(found)
    except Exception:
        # Not even that could be loaded, or said.
        os.write(
            2,
            b"memocast: error: memory or another limit is far too low for memocast\n"
            b"memocast: hint: raise it and try again; see them all: ulimit -a\n",
        )
        return False
    if not found:
        raise error
    return True


if __name__ == "__main__":
    run()
