"""The memocast that a command of the spawner's starts, such as a seeder: the spawner begins it too.

So it does with what reads untrusted data. The command cannot divide itself: its database and its
threads do not stand that.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import IO, TYPE_CHECKING, Any

from helpers.limited_process_fork import is_limited
from helpers.network_namespaces import Host
from helpers.spawner_request import Request, send

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_OURS = ["-P", "-m", "memocast"]  # as memocast.processes.self_command has it


def use(requests: socket.socket) -> None:
    """Have this process ask the spawner where it would start one."""
    start = subprocess.Popen

    def begin(command: Any, **options: Any) -> Any:
        if command[1:4] == _OURS:
            request = Request(command[4:], options["env"], str(options["cwd"]))
            request.is_session_leader = options["start_new_session"]
            return _Process(requests, request, options)
        if is_limited(command):
            request = Request([], options["env"], os.getcwd(), code=command[3])  # noqa: PTH109
            return _Process(requests, request, options)
        return start(command, **options)

    subprocess.Popen = begin  # type: ignore[misc, assignment]


class _Process:
    """As much of `subprocess.Popen` as memocast needs."""

    def __init__(
        self, requests: socket.socket, request: Request, options: Mapping[str, Any]
    ) -> None:
        self.returncode: int | None = None
        theirs: list[int] = []
        self.stdin, self.stdout, self.stderr = (
            _stream(options[name], theirs, is_input=name == "stdin")
            for name in ("stdin", "stdout", "stderr")
        )
        self._status, told = os.pipe()
        theirs += [Host.here(), told]
        request.numbers = options["pass_fds"]
        theirs.extend(os.dup(one) for one in request.numbers)
        request.descriptors = theirs
        try:
            send(requests, request)
        finally:
            for one in theirs:
                os.close(one)
        self._said = b""
        while b"\n" not in self._said:
            block = os.read(self._status, 64)
            if not block:
                raise OSError("the spawner has ended")
            self._said += block
        self.pid = int(self._said.split()[0])

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a memocast", timeout or 0)
        return code

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def _ended(self, seconds: float | None) -> int | None:
        while self.returncode is None and select.select([self._status], [], [], seconds)[0]:
            block = os.read(self._status, 64)
            self._said += block
            if not block:
                self.returncode = int(self._said.split()[1])
                os.close(self._status)
        return self.returncode


def _stream(given: int | IO[bytes], theirs: list[int], *, is_input: bool) -> IO[bytes] | None:
    """Add the other's end; return ours, if it is a pipe."""
    if given == subprocess.PIPE:
        read, write = os.pipe()
        theirs.append(read if is_input else write)
        return os.fdopen(write if is_input else read, "wb" if is_input else "rb")
    if given == subprocess.DEVNULL:
        theirs.append(os.open(os.devnull, os.O_RDWR))
    else:
        theirs.append(os.dup(given if isinstance(given, int) else given.fileno()))
    return None
