"""Whether a STUN server answers: browsers learn from one under which address they are seen."""

from __future__ import annotations

import secrets
import socket
import struct

_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_COOKIE = 0x2112A442


def answers(server: str, seconds: float) -> bool:
    """Send a Binding request (RFC 8489) to `HOST:PORT`; whether it is answered in time."""
    host, _, port = server.rpartition(":")
    transaction = secrets.token_bytes(12)
    request = struct.pack(">HHI", _BINDING_REQUEST, 0, _COOKIE) + transaction
    tries = 3  # a datagram can get lost
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.settimeout(seconds / tries)
            probe.connect(address)
            for _ in range(tries):
                probe.send(request)
                try:
                    answer = probe.recv(1500)
                except TimeoutError:
                    continue
                if (
                    answer[:2] == struct.pack(">H", _BINDING_SUCCESS)
                    and answer[8:20] == transaction
                ):
                    return True
    except (OSError, UnicodeError):
        return False
    return False
