"""A process that has loaded memocast and divides itself for each command that a test runs.

Starting Python and loading typer, libtorrent and all of ours takes more of the processor than
what most commands then do, and the suite runs thousands of them. Each command is a process of its
own all the same, with its own streams, environment and working directory. Whatever looks at how a
process begins (its command line, its interpreter's options, what it imports) uses `start`.

    python -m helpers.command_spawner DESCRIPTOR PADDING

serves the requests of `spawner_request` that come over that socket. Commands send them too, for
those that they start: seeders above all. A command can be watched by strace, which can also kill
it. The padding is room for command lines.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from helpers import limited_process_fork, spawned_process
from helpers.network_namespaces import Host
from helpers.spawner_request import STREAMS, Request, connection, receive

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIBRARIES = (
    *("concurrent.futures.thread", "encodings.idna", "feedparser", "libtorrent", "platformdirs"),
    *("plistlib", "pyrage", "rich.console", "sqlite3", "typer._click.decorators", "xml.sax"),
    *("xml.etree.ElementTree", "cryptography.hazmat.primitives.asymmetric.ed25519"),
)
"""What memocast imports only where it is needed."""

_ABOVE = 512
"""Above the numbers of all descriptors."""


def _load() -> None:
    """Import what commands import, as far as that starts no threads and opens nothing."""
    import importlib
    import pkgutil

    import memocast

    ours = [found.name for found in pkgutil.walk_packages(memocast.__path__, "memocast.")]
    ours.remove("memocast.__main__")
    gc.disable()
    for name in (*ours, *_LIBRARIES):
        importlib.import_module(name)
    limited_process_fork.load()
    gc.freeze()  # else it is copied to each command when that looks for garbage
    gc.enable()


def _serve(descriptor: int) -> None:
    of_tests = socket.socket(fileno=descriptor)
    for_commands, of_commands = connection()
    running: dict[int, Command] = {}  # by the descriptor that is readable once it has ended
    while True:
        for ready in select.select([of_tests, of_commands, *running], [], [])[0]:
            if ready in running:
                running.pop(ready).tell()
                continue
            request = receive(ready)
            if request is None:
                return
            ours = [one.fileno() for one in (of_tests, of_commands)]
            ours += [one for each in running.values() for one in each.ours]
            command = Command(request, for_commands, ours)
            running[command.ending] = command


class Command:
    """A command in a process of its own, which is begun. `others` are the spawner's descriptors."""

    def __init__(
        self, request: Request, for_commands: socket.socket, others: Sequence[int]
    ) -> None:
        network, self._status = request.descriptors[STREAMS : STREAMS + 2]
        del request.descriptors[STREAMS : STREAMS + 2]
        self._process = os.fork()
        if self._process == 0:
            for one in (self._status, *others):
                os.close(one)
            if request.strace:
                _await_tracer()
            else:
                spawned_process.use(for_commands)
            Host.enter(network)
            os.close(network)
            _become(request)
        for one in (network, *request.descriptors):
            os.close(one)
        self.ending = os.pidfd_open(self._process)
        self.ours = (self._status, self.ending)
        with contextlib.suppress(BrokenPipeError):
            os.write(self._status, f"{self._process}\n".encode())
        self._tracer = _traced(self._process, request.strace) if request.strace else None

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


def _become(request: Request) -> NoReturn:
    import random

    environment = request.environment
    if request.is_session_leader:
        os.setsid()
    _renumber(request)
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
    os.chdir(request.folder)
    random.seed()
    if request.code:
        limited_process_fork.serve(request.code, request.numbers)
    sys.argv = ["memocast", *request.arguments]
    _show_command_line(["python", "-m", *sys.argv])
    limited_process_fork.use()
    from memocast.__main__ import run

    run()


def _renumber(request: Request) -> None:
    """Give the descriptors the numbers that they shall have."""
    numbers = [*range(STREAMS), *request.numbers]
    aside = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for one in request.descriptors]
    for one in request.descriptors:
        os.close(one)
    for one, number in zip(aside, numbers, strict=True):
        os.dup2(one, number)
        os.close(one)


def _show_command_line(words: Sequence[str]) -> None:
    """Have `ps` and /proc say that this process is that command."""
    import ctypes

    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(field) for field in fields[45:47])  # fields 48 and 49 of proc(5)
    line = b"".join(os.fsencode(word) + b"\0" for word in words)[: end - start - 1]
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    _load()
    _serve(int(sys.argv[1]))
