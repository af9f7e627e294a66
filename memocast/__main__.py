"""What `python -m memocast` and the installed command run."""

from __future__ import annotations

import signal
import sys


def run() -> int:
    """Run one command; return its exit code."""
    # While the program is being loaded, Ctrl-C just ends it; main() then says so.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from memocast.cli import main

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main()
    # All is done and told; what is left is Python's own leaving.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


if __name__ == "__main__":
    sys.exit(run())
