"""The process that decodes for a command of the spawner's, by a fork.

It is begun anew by every command that reads a sound or a feed, and importing numpy, a decoder or a
parser takes more of the processor than all that it then does. So a command that was divided off by
the spawner, which has imported them, divides itself once more. One that has threads, as `fetch` has
once libtorrent runs, asks the spawner for it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from memocast.processes import sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLL_SECONDS = 0.005
_THREADS = Path("/proc/self/task")


def load() -> None:
    """Import what those processes import."""
    from memocast.audio import decoder_process
    from memocast.podcasts import parser_process

    assert parser_process
    for name in ("sndfile", "ffmpeg", "growing", "wav"):
        decoder_process.prepare(name)
    for name in ("memocast.audio.tag_process", "memocast.processes.limited_process_child"):
        importlib.import_module(name)
    sandbox.load()


def is_limited(command: Sequence[str]) -> bool:
    """Whether it is the command line of such a process."""
    return command[1:3] == ["-P", "-c"] and "limited_process_child" in command[3]


def use() -> None:
    """Have this process divide itself where it would start such a process."""
    start = subprocess.Popen

    def begin(command: Any, **options: Any) -> Any:
        if is_limited(command) and len(list(_THREADS.iterdir())) == 1:
            return _Fork(command[3], options["pass_fds"])
        return start(command, **options)

    subprocess.Popen = begin  # type: ignore[misc, assignment]


class _Fork:
    """As much of `subprocess.Popen` as `LimitedProcess` needs."""

    def __init__(self, code: str, kept: Sequence[int]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            serve(code, kept)

    def poll(self) -> int | None:
        if self.returncode is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        began = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() > began + timeout:
                raise subprocess.TimeoutExpired("a fork", timeout)
            time.sleep(_POLL_SECONDS)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def serve(code: str, kept: Sequence[int]) -> NoReturn:
    """Become what the interpreter that runs `code` would be."""
    try:
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):  # of the C library
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        at = 3
        for descriptor in sorted(kept):
            os.closerange(at, descriptor)
            at = descriptor + 1
        os.closerange(at, os.sysconf("SC_OPEN_MAX"))
        exec(code, {})
        os._exit(0)
    finally:
        os._exit(1)
