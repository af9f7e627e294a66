"""Options of TCP sockets that are set from outside, on whatever this process has open."""

from __future__ import annotations

import socket

import pytest

from memocast.bittorrent.tcp_options import end_when_dead, send_at_once


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has it")
def test_dead_connections_end_within_a_minute_and_others_than_tcp_are_left_alone() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as local,
    ):
        before = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        end_when_dead()
        after = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert before == 0
        assert 10_000 <= after <= 60_000
        for other in (datagrams, local):
            other.getsockname()  # still open


def test_connections_send_at_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
    ):
        send_at_once()
        assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
