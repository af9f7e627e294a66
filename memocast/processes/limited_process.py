"""Runs our modules in separate processes with limited time, memory and rights.

Small files can keep a parser busy for hours, or make it take gigabytes, and some could make a
decoder do what their author wants. So untrusted data is parsed and decoded in forks of a process
that is started for it (`limited_process_child`). What a fork sends is not trusted either.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Any

from memocast.processes import limited_process_child as child
from memocast.processes.limited_process_answer import (
    ENDING_SECONDS,
    Conversation,
    Ended,
    NotBegun,
    parsed,
    stopped,
)
from memocast.processes.limited_process_answer import Exceeded as Exceeded
from memocast.processes.limited_process_answer import Task as Task

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator

    from memocast.processes.limited_process_answer import Messages

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""numpy would reserve memory for each core, and a process with threads should not fork."""


_LEAVING_SECONDS = 1.0


def run(
    module: str,
    given: bytes,
    seconds: int,
    file: IO[bytes] | None = None,
    tell: Callable[[Any], object] = lambda _: None,
    patience: float | None = None,
    json_bytes: int = 1 << 20,
    prepare: str = "",
) -> Any:
    """Return what `module.answer(given, file)` returns in a process of its own, as JSON.

    `tell` is called with what it sends by `say`; the other arguments are as in `Task`. Can be
    called in several threads at once.

    Raises Exceeded, and MemocastError when something else ended or delayed the process.
    """
    with contextlib.closing(LimitedProcess()) as process:
        return process.ask(Task(module, seconds, given, prepare, file, patience, json_bytes), tell)


class LimitedProcess:
    """A process that imports our modules once and answers in forks, each with its own limits.

    It is started when it is first needed, and again if it has ended. Its methods can be called
    in several threads at once.
    """

    def __init__(self, idle: float = 60.0) -> None:
        """It ends by itself after `idle` seconds without a task: programs may keep us for hours."""
        self._idle = idle
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._owner = os.getpid()
        self._loaded: Task | None = None
        self._heard = 0.0

    def load(self, module: str, prepare: str = "") -> None:
        """Let it import what a task with these needs, while we do something else."""
        self._loaded = Task(module, 0, prepare=prepare)
        self._load()

    def keep(self) -> None:
        """Let the process that was loaded stay, for who calls this again and again."""
        if self._loaded and time.monotonic() > self._heard + self._idle / 3:
            self._load()

    def _load(self) -> None:
        # If it cannot be started, who asks for an answer is told.
        with self._lock, contextlib.suppress(OSError):
            if self._loaded:
                self._send(self._loaded, [])

    def ask(self, task: Task, tell: Callable[[Any], object] = lambda _: None) -> Any:
        """Return the task's answer. Raises as `run` does."""
        messages = self._messages(task, None)
        with contextlib.closing(messages):
            while True:
                try:
                    kind, content = next(messages)
                except StopIteration as done:
                    return done.value
                if kind != child.SAID:
                    raise Exceeded
                tell(parsed(content))

    def blocks(
        self, task: Task, read_at: Callable[[int, int], bytes] | None = None
    ) -> Generator[bytes, None, Any]:
        """Yield what the task sends by `send_block`, and return its answer. Raises as `run` does.

        `read_at` is called with position and count for each of its `read`s.
        """
        with contextlib.closing(self._messages(task, read_at)) as messages:
            while True:
                try:
                    kind, content = next(messages)
                except StopIteration as done:
                    return done.value
                if kind == child.BLOCK:
                    yield content

    def close(self) -> None:
        """End the process, and all its forks."""
        with self._lock:
            self._forget()

    # -- the process -------------------------------------------------------------------

    def _messages(self, task: Task, read_at: Callable[[int, int], bytes] | None) -> Messages:
        for _ in range(2):
            channel, theirs = socket.socketpair()
            status, its_status = socket.socketpair()
            with channel, status:
                with theirs, its_status:
                    files = [task.file.fileno()] if task.file else []
                    process = self._begin(task, [theirs.fileno(), its_status.fileno(), *files])
                conversation = Conversation(channel, status, task, read_at)
                try:
                    return (yield from conversation.messages())
                except NotBegun:
                    # It ends by itself when it is not used for a while, perhaps just then.
                    if not _has_left(process):
                        break
                except Ended:
                    break
        self._discard(process)
        raise stopped()

    def _begin(self, task: Task, descriptors: list[int]) -> subprocess.Popen[bytes]:
        """Give the task to the process, and return that. Raises MemocastError if there is none."""
        with self._lock:
            failure = None
            try:
                self._send(task, descriptors)
            except OSError as error:  # one that has just ended is found out by the status
                failure = error
            if self._process is None:
                raise stopped() from failure
            return self._process

    def _discard(self, process: subprocess.Popen[bytes]) -> None:
        """Start another one for the next task, unless there is one already."""
        with self._lock:
            if self._process is process:
                self._forget()

    def _send(self, task: Task, descriptors: list[int]) -> None:
        asked = {"module": task.module, "prepare": task.prepare, "seconds": task.seconds}
        content = json.dumps(asked).encode()
        message = child.LENGTH.pack(len(content)) + content
        socket.send_fds(self._started(), [message], descriptors)
        self._heard = time.monotonic()

    def _started(self) -> socket.socket:
        import subprocess

        if self._owner != os.getpid():  # this process is a fork, and that one is its parent's
            self._process = self._control = None
            self._owner = os.getpid()
        if self._process and self._process.poll() is not None:
            self._forget()
        if self._control is None:
            ours, theirs = socket.socketpair()
            with theirs, contextlib.ExitStack() as undo:
                undo.enter_context(ours)
                serve = f"serve({theirs.fileno()}, {self._idle})"
                code = f"from memocast.processes.limited_process_child import serve; {serve}"
                self._process = subprocess.Popen(
                    # -P: do not import from a folder 'memocast' in the current directory.
                    [sys.executable, "-P", "-c", code],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={**os.environ, **_ONE_THREAD},
                )
                undo.pop_all()
            self._control = ours
        return self._control

    def _forget(self) -> None:
        import subprocess

        if self._control:
            self._control.close()
        if self._process and self._owner == os.getpid():
            # It ends its forks first.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LEAVING_SECONDS)
            self._process.kill()
            self._process.wait()
        self._process = self._control = None


def _has_left(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the process ended by itself."""
    import subprocess

    try:
        return process.wait(ENDING_SECONDS) == 0
    except subprocess.TimeoutExpired:
        return False
