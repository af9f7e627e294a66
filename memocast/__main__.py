"""What `python -m memocast` and the installed command run."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run one command, and end the process with its exit code."""
    # While the program is being loaded, Ctrl-C just ends it; main() then says so.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Nothing of what loading makes is garbage, and looking for it takes some milliseconds.
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
    except KeyboardInterrupt:  # just before main() listened for it, or just after
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    # All is done and told. Python's own leaving takes another 10 ms, in which Ctrl-C would be
    # heard once more.
    os._exit(code)


if __name__ == "__main__":
    run()
