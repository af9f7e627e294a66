"""The commands that tests run to their end, begun by a spawner of the test session's own."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from helpers.network_namespaces import Host
from helpers.repository import TESTS
from helpers.spawner_request import STREAMS, Request, connection, send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_BLOCK = 1 << 16
_LONGEST_COMMAND_LINE = 4096


class Spawner:
    """A process of `helpers.command_spawner`, as tests see it."""

    def __init__(self) -> None:
        self._socket, theirs = connection()
        environment = {**os.environ, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "helpers.command_spawner", str(theirs.fileno())]
        self._process = subprocess.Popen(
            [*command, "-" * _LONGEST_COMMAND_LINE],
            cwd=TESTS,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        stdin: bytes,
        timeout: float,
        strace: Sequence[str] = (),
    ) -> tuple[int, bytes, bytes]:
        """Run memocast to its end: its exit code, and what it wrote to its two streams.

        It is on the machine that this thread is on, perhaps one of a test's own. With options
        for `strace`, that watches it from its first step on.
        """
        words = [os.fsdecode(argument) for argument in arguments]
        with contextlib.ExitStack() as ours:
            theirs = []
            ends = []
            for is_input in (True, False, False, False):
                read, write = os.pipe()
                theirs.append(read if is_input else write)
                ends.append(write if is_input else read)
            feed, *sources = (
                ours.enter_context(open(end, "wb" if not index else "rb", buffering=0))  # noqa: PTH123
                for index, end in enumerate(ends)
            )
            theirs.insert(STREAMS, Host.here())
            request = Request(words, {**environment}, str(folder), strace, theirs)
            send(self._socket, request)
            for descriptor in theirs:
                os.close(descriptor)
            out, err, status = _communicate(feed, sources, stdin, timeout)
        return int(status.split()[1]), out, err


def _communicate(feed: Any, sources: Sequence[Any], stdin: bytes, timeout: float) -> list[bytes]:
    """What comes out of the sources, while `stdin` is fed. Raises TimeoutError, and kills it."""
    os.set_blocking(feed.fileno(), False)
    found = dict.fromkeys(sources, b"")
    open_ones = list(sources)
    left = memoryview(stdin)
    deadline = time.monotonic() + timeout
    while open_ones:
        if not left and not feed.closed:
            feed.close()
        wait = max(0.0, deadline - time.monotonic())
        readable, writable, _ = select.select(open_ones, [] if feed.closed else [feed], [], wait)
        if not readable and not writable:
            status = found[sources[-1]].split()
            if status:
                os.kill(int(status[0]), signal.SIGKILL)
            raise TimeoutError(f"not done after {timeout:g} s; it said: {list(found.values())}")
        for source in readable:
            block = source.read(_BLOCK)
            found[source] += block
            if not block:
                open_ones.remove(source)
        if writable:
            try:
                left = left[feed.write(left) or 0 :]
            except BrokenPipeError:
                left = left[:0]
    return list(found.values())


@functools.cache
def spawner() -> Spawner:
    """What runs the commands of this test session."""
    found = Spawner()
    atexit.register(found.close)
    return found
