"""What a fork of a limited process gets and sends, of which nothing is trusted."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeVar

from memocast.errors import MemocastError
from memocast.processes import limited_process_child as child

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Messages = Generator[tuple[bytes, bytes], None, Any]
    """What a fork sends, by kind; it returns the answer."""

A = TypeVar("A")
R = TypeVar("R")

_BLOCK_BYTES = 1 << 20
"""The most that is read at once of what a fork sends or asks for."""

_SLICE_SECONDS = 1.0
"""The longest single wait. While the command is stopped (Ctrl-Z), its clock goes on: waiting in
slices, it mistakes no more than one of them for silence."""

ENDING_SECONDS = 5.0
_STOPPED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)
"""Exit codes of a process ended by the system, another program or our timeout."""


class Exceeded(Exception):
    """The process took too much time or memory, or crashed; it would again.

    `signal` is the number of the one that ended it, or 0.
    """

    def __init__(self, signal: int = 0) -> None:
        super().__init__()
        self.signal = signal


class NotBegun(Exception):
    """The process ended before it began to answer."""


class Ended(Exception):
    """The process ended while its fork answered."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to run: `module.answer(given, file)`, with so many `seconds` of CPU time.

    It may send nothing for `patience` seconds, by default ten times its CPU time, and no JSON
    longer than `json_bytes`; parsed, it can take thirty times that memory.
    `file` is the only open file that it inherits; it may change it if it is opened for writing.
    The module has a function `prepare`, which gets the text `prepare`, to import what it needs, by
    `sandbox.load` too: afterwards it cannot open anything.
    """

    module: str
    seconds: int
    given: bytes = b""
    prepare: str = ""
    file: IO[bytes] | None = None
    patience: float | None = None
    json_bytes: int = 1 << 20

    @property
    def longest_silence(self) -> float:
        """Seconds."""
        return 10.0 * self.seconds if self.patience is None else self.patience


class Conversation:
    """With a fork, from the task that it gets to its answer.

    `read_at` is called with position and count for each of its `read`s.
    """

    def __init__(
        self,
        channel: socket.socket,
        status: socket.socket,
        task: Task,
        read_at: Callable[[int, int], bytes] | None,
    ) -> None:
        self._channel = channel
        self._status = status
        self._task = task
        self._read_at = read_at
        self._patience = task.longest_silence

    def messages(self) -> Messages:
        """Give it the task, and yield what it sends; return its answer.

        Raises Exceeded, NotBegun, Ended, and MemocastError when something else ended it.
        """
        try:
            self._give(self._task.given)
            while (frame := self._frame()) is not None:
                kind, content = frame
                if kind == child.ANSWER:
                    return parsed(content)
                if kind == child.READ and self._read_at:
                    position, count = child.WANTED.unpack(content)
                    found = self._read_at(position, min(count, _BLOCK_BYTES))
                    self._give(found)
                else:
                    yield frame
        except TimeoutError:
            self._status.shutdown(socket.SHUT_WR)
        raise self._failure()

    def _frame(self) -> tuple[bytes, bytes] | None:
        """Return the next message's kind and content; None at the end."""
        self._patience = self._task.longest_silence
        head = self._exactly(child.FRAME.size)
        if head is None:
            return None
        kind, length = child.FRAME.unpack(head)
        if kind in (child.ANSWER, child.SAID):
            is_allowed = length <= self._task.json_bytes
        elif kind == child.BLOCK:
            is_allowed = length <= _BLOCK_BYTES
        else:
            is_allowed = kind == child.READ and length == child.WANTED.size
        if not is_allowed:
            raise Exceeded
        content = self._exactly(length)
        return None if content is None else (kind, content)

    def _give(self, content: bytes) -> None:
        """Send bytes after their length. A fork that has ended gets nothing."""
        self._patience = self._task.longest_silence
        left = memoryview(child.LENGTH.pack(len(content)) + content)
        with contextlib.suppress(ConnectionError):
            while left:
                left = left[self._patiently(self._channel.send, left) :]

    def _exactly(self, count: int) -> bytes | None:
        content = bytearray()
        while len(content) < count:
            try:
                most = min(count - len(content), _BLOCK_BYTES)
                block = self._patiently(self._channel.recv, most)
            except ConnectionError:
                return None
            if not block:
                return None
            content += block
        return bytes(content)

    def _patiently(self, use: Callable[[A], R], argument: A) -> R:
        """Use the channel once it is ready. Raises TimeoutError when there is no patience left."""
        while self._patience > 0:
            wait = min(_SLICE_SECONDS, self._patience)
            self._channel.settimeout(wait)
            began = time.monotonic()
            try:
                return use(argument)
            except TimeoutError:
                pass
            finally:
                self._patience -= min(wait, time.monotonic() - began)
        raise TimeoutError

    def _failure(self) -> Exception:
        """Return why the fork ended without an answer."""
        said = bytearray()
        self._status.settimeout(ENDING_SECONDS)
        with contextlib.suppress(OSError):
            try:
                _read_all(self._status, said)
            except TimeoutError:
                self._status.shutdown(socket.SHUT_WR)
                _read_all(self._status, said)
        if not said.startswith(child.ACCEPTED):
            return NotBegun()
        if len(said) == len(child.ACCEPTED):
            return Ended()
        ended = json.loads(said.removeprefix(child.ACCEPTED))
        used, silence = ended["used"], self._task.longest_silence
        if ended["code"] in _STOPPED and used < self._task.seconds and used <= silence / 2:
            return stopped()
        return Exceeded(max(0, -ended["code"]))


def _read_all(connection: socket.socket, into: bytearray) -> None:
    """Add all that is still to come; it is short."""
    while block := connection.recv(1 << 10):
        into += block


def parsed(content: bytes) -> Any:
    """Return the JSON that a fork sent. Raises Exceeded."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Exceeded from None


def stopped() -> MemocastError:
    """Return the error for a process that something else ended or delayed."""
    return MemocastError(
        "a process that reads untrusted data was stopped",
        hint="run the command again; is the machine short of memory, or very busy?",
    )
