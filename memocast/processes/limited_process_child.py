"""The other side of `limited_process`: it imports our modules, and divides itself for each answer.

Importing decoders takes longer than decoding most voice memos. So this process imports them once;
it never reads what strangers sent. Each answer is given by a fork of it with limits of its own,
which is gone afterwards, and whatever was done to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
from typing import IO, Any, NamedTuple, NoReturn

from memocast.processes import sandbox

LENGTH = struct.Struct(">I")
"""Before what the parent sends."""

FRAME = struct.Struct(">cI")
"""The kind and the length of what a fork sends."""

WANTED = struct.Struct(">QI")
"""The place and the number of the bytes that a fork asks for."""

ANSWER, SAID, BLOCK, READ = b"a", b"s", b"b", b"r"
ACCEPTED = b"+"

_FILES = 256
"""Open at once in this process, a handful for each answer in progress."""


# -- in a fork -------------------------------------------------------------------------


class _Channel:
    """A fork's connection with who asked."""

    socket: socket.socket


def say(value: Any) -> None:
    """Send a value to `tell`."""
    _send(SAID, json.dumps(value).encode())


def send_block(*parts: Any) -> None:
    """Send bytes to `blocks`, given in parts; wait while many are unread."""
    _send(BLOCK, *parts)


def read(position: int, count: int) -> bytes:
    """Return up to `count` bytes from `position` of what `read_at` reads; none only at the end."""
    _send(READ, WANTED.pack(position, count))
    return _received(_Channel.socket)


def _send(kind: bytes, *parts: Any) -> None:
    length = sum(memoryview(part).nbytes for part in parts)
    left = [memoryview(FRAME.pack(kind, length)), *(memoryview(part).cast("B") for part in parts)]
    while left:
        sent = _Channel.socket.sendmsg(left)
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]


def _received(connection: socket.socket) -> bytes:
    return _exactly(connection, *LENGTH.unpack(_exactly(connection, LENGTH.size)))


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        block = connection.recv(min(count - len(content), 1 << 20))
        if not block:
            raise EOFError
        content += block
    return bytes(content)


class _Request(NamedTuple):
    """What was asked for, with the descriptors that came with it."""

    module: str
    prepare: str
    is_prepared: bool
    seconds: int
    descriptors: list[int]


def _answer(request: _Request, lifeline: socket.socket) -> NoReturn:
    """Answer in this fork, and end it."""
    try:
        # What was imported is here to stay: looking for garbage in it would copy it into this fork.
        gc.freeze()
        gc.enable()
        channel, _, *files = request.descriptors
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _close_all_but(channel, lifeline.fileno(), *files)
        _end_with(lifeline)
        _Channel.socket = socket.socket(fileno=channel)
        file = _opened(files[0]) if files else None
        given = _received(_Channel.socket)
        module = importlib.import_module(request.module)
        if not request.is_prepared:
            module.prepare(request.prepare)
        sandbox.set_limits(request.seconds, files[0] if file and file.writable() else None)
        sandbox.close_off()
        answer = module.answer(given, file)
        if file:
            file.flush()
        _send(ANSWER, json.dumps(answer).encode())
        os._exit(0)
    finally:  # whatever was raised
        os._exit(1)


def _close_all_but(*kept: int) -> None:
    at = 3
    for descriptor in sorted(kept):
        os.closerange(at, descriptor)
        at = descriptor + 1
    os.closerange(at, _FILES)


def _end_with(lifeline: socket.socket) -> None:
    """Let the system end this fork when the other end is closed, whatever a decoder is doing."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([lifeline], [], [], 0)[0]:  # closed already
        os._exit(1)


def _opened(descriptor: int) -> IO[bytes]:
    is_writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    is_pipe = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    return os.fdopen(descriptor, "r+b" if is_writable else "rb", buffering=0 if is_pipe else -1)


# -- in the process that divides itself ------------------------------------------------


class _Running(NamedTuple):
    """A fork: `status` is read by who asked, and `lifeline` ends the fork."""

    status: socket.socket
    lifeline: socket.socket


def serve(descriptor: int, idle: float) -> None:
    """Do what is asked over that socket, until it is closed or `idle` seconds have passed."""
    # Ctrl-C is handled by the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
    # A low number, so that forks know up to which they have to close: no higher one is given out.
    low = os.dup(descriptor)
    os.close(descriptor)
    sandbox.limit(resource.RLIMIT_NOFILE, _FILES)
    with socket.socket(fileno=low) as control:
        forks = _Forks(idle)
        while forks.wait(control):
            request = _request(control)
            if request is None:
                break
            if request.descriptors:
                forks.begin(request)
        forks.end()


class _Forks:
    """The forks that are at work."""

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._running: dict[int, _Running] = {}
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self, control: socket.socket) -> bool:
        """Look after the forks until something is asked; return False when that takes too long."""
        while True:
            by_status = {each.status: process for process, each in self._running.items()}
            patience = None if self._running else self._idle
            watched: list[Any] = [control, self._woken, *by_status]
            ready = select.select(watched, [], [], patience)[0]
            if not ready:
                return False
            if self._woken in ready:
                os.read(self._woken, 1 << 10)
            for status in by_status.keys() & set(ready):
                # Who asked wants no more, or is gone.
                os.kill(by_status[status], signal.SIGKILL)
                self._reap(by_status[status], 0)
            for process in list(self._running):
                self._reap(process, os.WNOHANG)
            if control in ready:
                return True

    def begin(self, request: _Request) -> None:
        """Answer a request in a fork."""
        ours, theirs = socket.socketpair()
        try:
            process = os.fork()
        except OSError:  # who asked finds its sockets closed
            process = None
            ours.close()
        if process == 0:
            ours.close()
            _answer(request, theirs)
        theirs.close()
        channel, status, *files = request.descriptors
        for each in (channel, *files):
            os.close(each)
        answered = socket.socket(fileno=status)
        if process is None:
            answered.close()
            return
        self._running[process] = _Running(answered, ours)
        with contextlib.suppress(OSError):
            answered.send(ACCEPTED)

    def end(self) -> None:
        """End all forks."""
        for process in list(self._running):
            os.kill(process, signal.SIGKILL)
            self._reap(process, 0)

    def _reap(self, process: int, options: int) -> None:
        """Tell how a fork ended, if it has."""
        if process not in self._running:
            return
        found, ended, usage = os.wait4(process, options)
        if not found:
            return
        running = self._running.pop(process)
        used = usage.ru_utime + usage.ru_stime
        with running.status, running.lifeline, contextlib.suppress(OSError):
            code = os.waitstatus_to_exitcode(ended)
            running.status.send(json.dumps({"code": code, "used": used}).encode())


def _request(control: socket.socket) -> _Request | None:
    """Return what is asked next, its module prepared; None when nobody can ask anything more."""
    head, descriptors, _, _ = socket.recv_fds(control, LENGTH.size, 3)
    if not head:
        return None
    asked = json.loads(_exactly(control, *LENGTH.unpack(head)))
    name, what, is_prepared = asked["module"], asked["prepare"], False
    with contextlib.suppress(Exception):  # a fork tries it again, and fails where that is told
        importlib.import_module(name).prepare(what)
        is_prepared = True
    return _Request(name, what, is_prepared, asked["seconds"], list(descriptors))
