"""What a fork of a limited process gets and sends, of which nothing is trusted."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from memocast.errors import MemocastError
from memocast.processes import limited_process_child as child

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Messages = Generator[tuple[bytes, bytes], None, Any]
    """What a fork sends, by kind; it returns the answer."""

_ANSWER_BYTES = 64 << 20
"""Of all JSON that a fork sends. The longest answer is a feed's, of 16 MB."""

_BLOCK_BYTES = 1 << 20
"""The most that is read at once of what a fork sends or asks for."""

ENDING_SECONDS = 5.0
_STOPPED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)
"""Exit codes of a process ended by the system, another program or our timeout."""


class Exceeded(Exception):
    """The process took too much time or memory, or crashed; it would again."""


class NotBegun(Exception):
    """The process ended before it began to answer."""


class Ended(Exception):
    """The process ended while its fork answered."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to run: `module.answer(given, file)`, with so many `seconds` of CPU time.

    It may send nothing for `patience` seconds, by default ten times its CPU time. `file` is the
    only open file that it inherits; it may change it if it is opened for writing. A module that
    has a function `prepare` gets the text `prepare` there, to import what it needs, by
    `sandbox.load` too: afterwards it cannot open anything.
    """

    module: str
    seconds: int
    given: bytes = b""
    prepare: str = ""
    file: IO[bytes] | None = None
    patience: float | None = None

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
        self._json_bytes = 0

    def messages(self) -> Messages:
        """Give it the task, and yield what it sends; return its answer.

        Raises Exceeded, NotBegun, Ended, and MemocastError when something else ended it.
        """
        try:
            self._wait(_deadline(self._task.longest_silence))
            with contextlib.suppress(ConnectionError):
                self._channel.sendall(child.LENGTH.pack(len(self._task.given)))
                self._channel.sendall(self._task.given)
            while (frame := self._frame()) is not None:
                kind, content = frame
                if kind == child.ANSWER:
                    return parsed(content)
                if kind == child.READ and self._read_at:
                    position, count = child.WANTED.unpack(content)
                    found = self._read_at(position, min(count, _BLOCK_BYTES))
                    self._wait(_deadline(self._task.longest_silence))
                    with contextlib.suppress(ConnectionError):
                        self._channel.sendall(child.LENGTH.pack(len(found)) + found)
                else:
                    yield frame
        except TimeoutError:
            self._status.shutdown(socket.SHUT_WR)
        raise self._failure()

    def _frame(self) -> tuple[bytes, bytes] | None:
        """Return the next message's kind and content; None at the end."""
        deadline = _deadline(self._task.longest_silence)
        head = self._exactly(child.FRAME.size, deadline)
        if head is None:
            return None
        kind, length = child.FRAME.unpack(head)
        if kind in (child.ANSWER, child.SAID):
            self._json_bytes += length
            is_allowed = self._json_bytes <= _ANSWER_BYTES
        elif kind == child.BLOCK:
            is_allowed = length <= _BLOCK_BYTES
        else:
            is_allowed = kind == child.READ and length == child.WANTED.size
        if not is_allowed:
            raise Exceeded
        content = self._exactly(length, deadline)
        return None if content is None else (kind, content)

    def _exactly(self, count: int, deadline: float | None) -> bytes | None:
        content = bytearray()
        while len(content) < count:
            self._wait(deadline)
            try:
                block = self._channel.recv(min(count - len(content), _BLOCK_BYTES))
            except ConnectionError:
                return None
            if not block:
                return None
            content += block
        return bytes(content)

    def _wait(self, deadline: float | None) -> None:
        """Let the next use of the channel end at the deadline."""
        if deadline is None:
            self._channel.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)

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
        return Exceeded()


def _read_all(connection: socket.socket, into: bytearray) -> None:
    """Add all that is still to come; it is short."""
    while block := connection.recv(1 << 10):
        into += block


def _deadline(silence: float) -> float | None:
    return None if silence == float("inf") else time.monotonic() + silence


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
