"""Speaks for a command that ends without a word where limits are low.

Where memory or threads run out, some C libraries call `exit` or `abort`, and a stack that is too
small or used-up processor time ends a process at once: nothing in that process can report it. So
where a limit is that low, the command runs in a child of this process, which waits for it and
otherwise behaves as if it were the command.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from memocast.processes.process_limits import limit, say, sentence, tight

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STARTED_BY_US = "_MEMOCAST_CHILD"
"""In the environment of processes that memocast starts: it sees itself how they end."""

_CRASHES = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS")
_WATCHED = "vdsut"
"""Limits whose lack ends processes; too few files are always reported as an error."""


def divide() -> Callable[[], None]:
    """Continue in a child if a limit is low, and return what it calls when it has had its say.

    The parent never returns from here. Raises nothing: without a child the command goes on.
    """
    if STARTED_BY_US in os.environ or not hasattr(signal, "sigwaitinfo"):
        return lambda: None
    if not any(letter in _WATCHED for letter in tight()):
        return lambda: None
    try:
        import mmap

        told = mmap.mmap(-1, 1)  # shared with the child, and takes no descriptor
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _passed_on())
    except (ImportError, MemoryError, OSError):
        return lambda: None
    try:
        child = os.fork()
    except OSError:  # no more processes
        pass
    else:
        if child:
            _stand_in(child, told)
        _end_with_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def tell() -> None:
        told[0] = 1

    return tell


def how_it_ended(code: int) -> str:
    """Return a process's exit code in words; if it is negative, the name of its signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # one of the real-time signals, which macOS lacks
        return f"signal {-code}"


def end_before_time_is_used_up() -> None:
    """Have an error raised while there is still some processor time to end the command in order.

    A recording is kept then. The system warns by a signal, but often only as it kills.
    """
    if limit("t") < 0:
        return
    from memocast.errors import MemocastError

    said, hint = sentence("t")

    def warn(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)  # comes once a second from now on
        raise MemocastError(said, hint=hint)

    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    signal.signal(signal.SIGXCPU, warn)
    if soft == hard:
        spare = max(1, min(5, soft // 4))
        resource.setrlimit(resource.RLIMIT_CPU, (max(1, soft - spare), hard))


def _end_with_parent() -> None:
    """Have the system kill this process when its parent is killed."""
    pr_set_pdeathsig = 1  # <linux/prctl.h>
    with contextlib.suppress(ImportError, MemoryError, OSError, AttributeError, ValueError):
        import ctypes

        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))


def _passed_on() -> set[signal.Signals]:
    """Return what the parent waits for: the child's end, and signals meant for the command."""
    return {
        signal.SIGCHLD,
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGTSTP,
        signal.SIGWINCH,
    }


def _stand_in(child: int, told: Any) -> None:
    """Wait for the child, stop and go on with it, and end as it does."""
    while True:
        found, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if found and os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        elif found:
            break
        else:
            came = signal.sigwaitinfo(_passed_on())
            # What a terminal sends goes to both; only what `kill` sends has to be passed on.
            if came.si_signo != signal.SIGCHLD and came.si_code <= 0:
                os.kill(child, came.si_signo)
    code = os.waitstatus_to_exitcode(status)
    if not told[0]:
        said = _what_ended_it(code)
        if said:
            say(said)
            os._exit(1)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), -code)
    os._exit(code)


def _what_ended_it(code: int) -> tuple[str, str] | None:
    """Return a sentence and a hint for an end without a word; None if a signal was sent to it."""
    import resource

    how = how_it_ended(code)
    if code < 0:
        if how in ("SIGKILL", "SIGXCPU"):
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            # The system looks at it a few times a second.
            is_up = 0 <= limit("t") <= used.ru_utime + used.ru_stime + 0.5
            return sentence("t") if is_up else None
        if how not in _CRASHES:
            return None
    letter = next(letter for letter in tight() if letter in _WATCHED)
    said, hint = sentence(letter)
    return f"the command crashed ({how}), probably because {said}", hint
