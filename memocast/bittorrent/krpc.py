"""KRPC: queries to DHT nodes and their answers (BEP 5).

Each query has a socket of its own, connected to the node that is asked. The kernel drops
datagrams from others, and a node that floods us fills only the buffer for its own answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

Address = tuple[str, int]
"""An IPv4 address and a UDP port."""

MAX_DATAGRAM = 2_048
"""Bytes. The longest answer has a value of 1,000 (BEP 44), 16 nodes and a few short fields."""

_ANSWER_SECONDS = 4.0
_MOST_WRONG = 3
"""Wrong datagrams from a node after which we stop waiting for its answer."""

_MOST_BUFFERED = 10_000
"""Datagrams. A socket's buffer holds a few hundred."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a query. `message` is None when no answer came in time."""

    number: bytes
    message: dict[bytes, Any] | None


@dataclass(slots=True)
class _Question:
    number: bytes
    until: float
    wrong: int = 0


class Krpc:
    """Queries sent from one address.

    That is one of `own`, or any other if those are taken. Nodes remember the address that puts
    an item and pass it on, so it should be one where we can be reached.
    """

    def __init__(self, own: Iterable[Address] = ()) -> None:
        self._id = os.urandom(20)
        self._open: dict[socket.socket, _Question] = {}
        self._anchor = _socket()
        """Holds the address while no query is open. Nothing is read from it."""
        for address in own:
            with contextlib.suppress(OSError):
                self._anchor.bind(address)
                break
        else:
            self._anchor.bind(("", 0))
        self._own: Address = self._anchor.getsockname()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        for each in (self._anchor, *self._open):
            each.close()

    def ask(self, to: Address, query: bytes, arguments: dict[bytes, Any]) -> bytes | None:
        """Send a query; return its transaction id, or None when it cannot be sent.

        It says that we are read-only (BEP 43), so that nodes do not add us to their tables.
        """
        import libtorrent as lt

        number = os.urandom(4)
        message: dict[bytes, Any] = {
            b"a": {b"id": self._id, **arguments},
            b"q": query,
            b"ro": 1,
            b"t": number,
            b"y": b"q",
        }
        asking = _socket()
        try:
            asking.bind(self._own)
            asking.connect(to)
            _drain(asking)
            asking.send(lt.bencode(message))
        except (OSError, OverflowError):  # unreachable; others may not be
            asking.close()
            return None
        self._open[asking] = _Question(number, time.monotonic() + _ANSWER_SECONDS)
        return number

    def settled(self, seconds: float) -> list[Answer]:
        """Wait up to `seconds`; return the queries that were answered or given up."""
        answers = []
        readable, _, _ = select.select(list(self._open), [], [], seconds)
        for asking in readable:
            question = self._open[asking]
            try:
                message = _received(asking, question)
            except BlockingIOError:  # its checksum was wrong
                continue
            except OSError:  # no node is there
                question.wrong = _MOST_WRONG
                message = None
            question.wrong += message is None
            if message is not None or question.wrong >= _MOST_WRONG:
                answers.append(self._settle(asking, message))
        moment = time.monotonic()
        late = [asking for asking, question in self._open.items() if moment > question.until]
        return answers + [self._settle(asking, None) for asking in late]

    def _settle(self, asking: socket.socket, message: dict[bytes, Any] | None) -> Answer:
        asking.close()
        return Answer(self._open.pop(asking).number, message)


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made


def _drain(asking: socket.socket) -> None:
    """Discard datagrams that others sent between bind and connect."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(_MOST_BUFFERED):
            asking.recv(1)


def _received(asking: socket.socket, question: _Question) -> dict[bytes, Any] | None:
    """Read one datagram; return it decoded if it is the query's answer. Raises OSError."""
    import libtorrent as lt

    datagram = asking.recv(MAX_DATAGRAM + 1)
    if len(datagram) > MAX_DATAGRAM:
        return None
    try:
        message: Any = lt.bdecode(datagram)
    except RuntimeError:  # not bencoded
        return None
    is_answer = isinstance(message, dict) and message.get(b"t") == question.number
    return message if is_answer else None
