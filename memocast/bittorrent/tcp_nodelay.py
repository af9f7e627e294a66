"""Setting TCP_NODELAY on libtorrent's sockets, for which it has no setting."""

from __future__ import annotations

import contextlib
import os
import socket


def send_at_once() -> None:
    """Make this process's TCP sockets send without delay (TCP_NODELAY, RFC 9293, section 3.7.4).

    libtorrent writes several short messages before it waits for an answer. The second would
    wait until the first is acknowledged: a round trip, and 40 ms on top. Connections accepted
    later inherit the option from their listening socket.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):  # not a socket, or closed meanwhile
                _send_at_once(os.dup(int(name)))


def _send_at_once(descriptor: int) -> None:
    try:
        connection = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise
    with connection:
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
