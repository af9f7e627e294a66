"""A process that has loaded memocast and divides itself for each command that a test runs.

Starting Python and loading typer, libtorrent and all of ours takes more of the processor than
what most commands then do, and the suite runs thousands of them. Each command is a process of its
own all the same, with its own streams, environment and working directory. Whatever looks at how a
process begins (its command line, its interpreter's options, what it imports) uses `start`.

    python -m helpers.command_spawner DESCRIPTOR

serves requests that come over that socket: four descriptors (the command's three streams, and
where to write its pid and its exit code, a line each), the length of a JSON document and that.
A command can be watched by strace, which can also kill it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

from helpers import limited_process_fork
from helpers.network_namespaces import Host
from helpers.repository import TESTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LENGTH_BYTES = 8
_BLOCK = 1 << 16


class Spawner:
    """The test's side of it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        environment = {**os.environ, "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.command_spawner", str(theirs.fileno())],
            cwd=TESTS,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        theirs.close()
        self._lock = threading.Lock()

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
        request = json.dumps([words, dict(environment), str(folder), Host.here(), [*strace]])
        content = request.encode("utf-8", "surrogatepass")
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
            with self._lock:
                socket.send_fds(self._socket, [len(content).to_bytes(_LENGTH_BYTES)], theirs)
                self._socket.sendall(content)
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


# -- the other side --------------------------------------------------------------------


def _load() -> None:
    """Import what commands import, as far as that starts no threads and opens nothing."""
    import importlib

    from memocast.cli.lazy_commands import HOMES

    used = ("channels.follow", "channels.pair", "channels.publish", "channels.republish")
    used += ("fetching.fetch", "library.recovery", "library.sharing")
    families = {home.partition(":")[0] for home in HOMES.values()}
    names = [f"memocast.cli.commands.{family}" for family in families]
    names += [f"memocast.{module}" for module in used]
    others = ("libtorrent", "pyrage", "rich.console", "sqlite3")
    for name in (*names, *others, "cryptography.hazmat.primitives.asymmetric.ed25519"):
        importlib.import_module(name)
    limited_process_fork.load()


def _serve(descriptor: int) -> None:
    requests = socket.socket(fileno=descriptor)
    running: dict[int, Command] = {}  # by the descriptor that is readable once it has ended
    while True:
        for ready in select.select([requests, *running], [], [])[0]:
            if ready is requests:
                request = _received(requests)
                if request is None:
                    return
                ours = [descriptor, *(one for each in running.values() for one in each.ours)]
                command = Command(*request, ours)
                running[command.ending] = command
            else:
                running.pop(ready).tell()


def _received(requests: socket.socket) -> tuple[list[Any], list[int]] | None:
    head, descriptors, _, _ = socket.recv_fds(requests, _LENGTH_BYTES, 4)
    if not head:
        return None
    content = b""
    while len(content) < int.from_bytes(head):
        content += requests.recv(int.from_bytes(head) - len(content))
    return json.loads(content.decode("utf-8", "surrogatepass")), descriptors


class Command:
    """A command in a process of its own, which is begun. `others` are the spawner's descriptors."""

    def __init__(
        self, request: list[Any], descriptors: Sequence[int], others: Sequence[int]
    ) -> None:
        *streams, self._status = descriptors
        *request, strace = request
        self._process = os.fork()
        if self._process == 0:
            for one in (self._status, *others):
                os.close(one)
            if strace:
                _await_tracer()
            _become(request, streams)
        for one in streams:
            os.close(one)
        self.ending = os.pidfd_open(self._process)
        self.ours = (self._status, self.ending)
        os.write(self._status, f"{self._process}\n".encode())
        self._tracer = _traced(self._process, strace) if strace else None

    def tell(self) -> None:
        """Tell how it ended."""
        _, ended = os.waitpid(self._process, 0)
        os.close(self.ending)
        if self._tracer:
            self._tracer.wait()
        with contextlib.suppress(BrokenPipeError):  # whoever ran it waits no longer
            os.write(self._status, f"{os.waitstatus_to_exitcode(ended)}\n".encode())
        os.close(self._status)


def _traced(process: int, options: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["strace", "--quiet=all", "-f", "-p", str(process), *options], stdin=subprocess.DEVNULL
    )


def _await_tracer() -> None:
    import ctypes

    # Where Yama guards processes, one has to allow that another than its parent looks at it.
    pr_set_ptracer, anybody = 0x59616D61, ctypes.c_ulong(-1)
    ctypes.CDLL(None).prctl(pr_set_ptracer, anybody, 0, 0, 0)
    deadline = time.monotonic() + 10
    with open("/proc/self/status") as status:  # noqa: PTH123
        while "TracerPid:\t0\n" in status.read():
            if time.monotonic() > deadline:
                os._exit(1)
            time.sleep(0.001)  # nothing tells a process that it is traced now
            status.seek(0)


def _become(request: list[Any], streams: Sequence[int]) -> NoReturn:
    import random

    arguments, environment, folder, network = request
    Host.enter(network)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # Those of the interpreter were made for what it began with.
    encoding, _, errors = environment.get("PYTHONIOENCODING", "").partition(":")
    sys.stdin, sys.stdout, sys.stderr = (
        open(  # noqa: SIM115
            number,
            mode,
            encoding=encoding or old.encoding,
            errors=errors if errors and old is not sys.stderr else old.errors,
            closefd=False,
        )
        for number, (mode, old) in enumerate(
            [("r", sys.stdin), ("w", sys.stdout), ("w", sys.stderr)]
        )
    )
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    random.seed()
    sys.argv = ["memocast", *arguments]
    limited_process_fork.use()
    from memocast.__main__ import run

    run()


if __name__ == "__main__":
    _load()
    _serve(int(sys.argv[1]))
