"""Options of libtorrent's TCP sockets for which it has no setting."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Option = tuple[int, int, int]
"""Level, name and value, as `socket.setsockopt` takes them."""

_AT_ONCE: tuple[Option, ...] = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)

_UNANSWERED_SECONDS = 30


def send_at_once() -> None:
    """Make this process's TCP sockets send without delay (TCP_NODELAY, RFC 9293, section 3.7.4).

    libtorrent writes several short messages before it waits for an answer. The second would
    wait until the first is acknowledged: a round trip, and 40 ms on top. Connections accepted
    later inherit the option from their listening socket.
    """
    _set(_AT_ONCE)


def end_when_dead() -> None:
    """End this process's TCP connections when what they send is not acknowledged for half a minute.

    A system goes on for a quarter of an hour else (RFC 9293, section 3.8.3), and a WebSocket
    tracker seems to be there for as long. Only Linux has the option (RFC 5482).
    """
    if option := getattr(socket, "TCP_USER_TIMEOUT", None):
        _set([(socket.IPPROTO_TCP, option, _UNANSWERED_SECONDS * 1000)])


def _set(options: Iterable[Option]) -> None:
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):  # not a socket, or closed meanwhile
                _set_on(os.dup(int(name)), options)


def _set_on(descriptor: int, options: Iterable[Option]) -> None:
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise
    with connection:
        is_tcp = connection.type == socket.SOCK_STREAM
        if is_tcp and connection.family in (socket.AF_INET, socket.AF_INET6):
            for option in options:
                connection.setsockopt(*option)
