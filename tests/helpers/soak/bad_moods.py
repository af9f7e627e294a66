"""What trackers say that are broken, overloaded, hijacked or hostile."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from helpers.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable


def strangers(count: int) -> bytes:
    """So many peers in the compact form (BEP 23), nearly all on the machine of the others.

    There nobody listens, as with most of what trackers and clients pass on. One in ten is on no
    machine at all, so that a connection to it takes as long as it may.
    """
    peers = []
    for _ in range(count):
        address, port = secrets.token_bytes(4), secrets.token_bytes(2)
        if secrets.randbelow(10):
            address = bytes([198, 18 + address[1] % 2]) + address[2:]
        peers.append(address + port)
    return b"".join(peers)


def _reply(status: int, body: bytes, **headers: str) -> Callable[[Any], None]:
    def mood(request: Any) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return mood


def _never(request: Any) -> None:
    request.connection.settimeout(DEADLINE)
    request.connection.recv(1)  # until the other side has enough


def _slowly(request: Any) -> None:
    request.send_response(200)
    request.end_headers()
    request.connection.settimeout(0.1)
    for byte in b"d8:intervali1e5:peers" * 40:
        with contextlib.suppress(TimeoutError):
            request.connection.recv(1)
            return
        request.wfile.write(bytes([byte]))


def _endlessly(request: Any) -> None:
    request.send_response(200)
    request.end_headers()
    for _ in range(2_000):
        request.wfile.write(b"d" * 65_536)


def _in_circles(request: Any) -> None:
    host = request.headers.get("Host", "")
    _reply(302, b"", Location=f"http://{host}{request.path}&again={secrets.token_hex(4)}")(request)


def _strange_frames(request: Any) -> None:
    """WebSocket's handshake without a right answer, and then frames of absurd lengths."""
    request.wfile.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: no\r\n\r\n\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"
        + secrets.token_bytes(5_000)
    )


HTTP: dict[str, Callable[[Any], None]] = {
    "nonsense": lambda request: _reply(200, secrets.token_bytes(3_000))(request),
    "html": _reply(200, b"<html><h1>It works!</h1>"),
    "error": _reply(503, b"overloaded"),
    "refuses": _reply(200, b"d14:failure reason" + b"4000:" + b"no " * 1_333 + b"!e"),
    "absurd": _reply(200, b"d8:intervali-1e12:min intervali999999999999e5:peers7:1234567e"),
    "many peers": lambda request: _reply(
        200, b"d8:intervali5e5:peers1200:" + strangers(200) + b"e"
    )(request),
    "never": _never,
    "slowly": _slowly,
    "endless": _endlessly,
    "in circles": _in_circles,
    "elsewhere": _reply(302, b"", Location="http://127.0.0.1:1/announce"),
    "frames": _strange_frames,
    "hangs up": lambda _: None,
}
"""By name, what an HTTP or a WebSocket tracker does with a request."""

UDP: dict[str, Callable[[bytes], bytes]] = {
    "nonsense": lambda _: secrets.token_bytes(700),
    "huge": lambda request: b"\0\0\0\1" + request[12:16] + bytes(12) + strangers(9_000),
    "refuses": lambda request: b"\0\0\0\3" + request[12:16] + b"no " * 400,
    "never": lambda _: b"",
    "cut off": lambda request: b"\0\0\0\0" + request[12:14],
}
"""By name, what a UDP tracker answers; nothing, where that is empty."""
