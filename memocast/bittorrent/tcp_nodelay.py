"""Sockets of this process that libtorrent has made, and has no settings for."""

from __future__ import annotations

import contextlib
import os
import socket


def send_at_once() -> None:
    """Have TCP connections send what is written to them (TCP_NODELAY, RFC 9293, section 3.7.4).

    libtorrent writes several short messages where one answer is waited for. The second would
    stay here until the first is acknowledged: a round trip, and 40 ms on top. What a listening
    socket accepts later does as it does.
    """
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
            with contextlib.suppress(OSError):  # some other file, or closed meanwhile
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
