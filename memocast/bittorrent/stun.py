"""STUN (RFC 8489): whether a server answers that tells under which address others see us.

libtorrent waits for the STUN server that it is given, for longer than it keeps what waits:
one that is silent ends all of WebRTC. So we ask first, and give it only the address at which
somebody answered.
"""

from __future__ import annotations

import contextlib
import secrets
import selectors
import socket
import struct
import threading
import time
from typing import Any, Self
from urllib.parse import quote

_BINDING_REQUEST = struct.pack(">HHI", 0x0001, 0, 0x2112A442)
_BINDING_SUCCESS = struct.pack(">H", 0x0101)
_HEADER_BYTES = 20
_TRIES = 3
"""A datagram can get lost."""

_MOST_ADDRESSES = 8
"""Of a name. Each is asked, so that one that is silent keeps us from no other."""

_MOST_DATAGRAMS = 20
"""This many are read from one address before it counts as silent: a server's answer is one."""

FIRST_SECONDS = 0.7
"""How long the first answer is waited for: somebody waits with us. Whatever follows takes less than
the rest of a second."""

SECONDS = 2.0
"""How long the later ones are. A server that is as slow as that is better than none."""

_AGAIN_SECONDS = 15.0
"""Politely: a third party answers. Of one that becomes silent is known after 17 s at the latest."""


def answers(server: str, seconds: float = SECONDS) -> bool:
    """Whether the server, `HOST:PORT`, answers a Binding request within that time."""
    return bool(Server(server).ask(seconds))


class Watch:
    """A server that is asked again and again, in a thread of its own, until `close`."""

    def __init__(self, server: str) -> None:
        """`server` is `HOST:PORT`; an IPv6 address has brackets."""
        self.url: str | None = None
        """What it answered last, as `Server.ask` returns it; None until that is known."""
        self._closed = threading.Event()
        threading.Thread(target=self._run, args=(Server(server),), daemon=True).start()

    def _run(self, server: Server) -> None:
        self.url = server.ask(FIRST_SECONDS)
        # One that is merely slow is not to be without use for long.
        pause = _AGAIN_SECONDS if self.url else 0.0
        while not self._closed.wait(pause):
            self.url = server.ask(SECONDS)
            pause = _AGAIN_SECONDS

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()


class Server:
    """A STUN server, and the addresses that its name stands for."""

    def __init__(self, name: str) -> None:
        """`name` is `HOST:PORT`; an IPv6 address has brackets."""
        host, _, self._port = name.rpartition(":")
        self._host = host.strip("[]")
        self._addresses: list[Any] = []
        self._resolver: threading.Thread | None = None

    def ask(self, seconds: float) -> str:
        """The `stun:` URL (RFC 7064) of its address that answers in time; empty if none does."""
        deadline = time.monotonic() + seconds
        address = None
        with contextlib.suppress(OSError):  # this process has no descriptor left
            address = _answering(self._resolved(deadline), deadline)
        if address is None:
            self._addresses = []  # it may have moved
            return ""
        host, port = address[:2]
        # libtorrent takes no brackets, and what has no dot for a scheme.
        return f"stun:{quote(host, safe='')}:{port}"

    def _resolved(self, deadline: float) -> list[Any]:
        if not self._addresses:
            # Nothing ends a look-up that hangs. It goes on, and is the only one.
            if not (self._resolver and self._resolver.is_alive()):
                self._resolver = threading.Thread(target=self._resolve, daemon=True)
                self._resolver.start()
            self._resolver.join(max(0.0, deadline - time.monotonic()))
        return self._addresses

    def _resolve(self) -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
            self._addresses = found[:_MOST_ADDRESSES]


def _answering(addresses: list[Any], deadline: float) -> Any:
    """The socket address that answers by the deadline, or None.

    One of IPv4, if any does: that is where routers change addresses.
    """
    transaction = secrets.token_bytes(12)
    best = None
    with contextlib.ExitStack() as closing:
        asked = []
        for found in addresses:
            with contextlib.suppress(OSError):  # no way there, or no such protocol here
                asked.append(closing.enter_context(_Probe(transaction, *found)))
        pause = max(0.0, deadline - time.monotonic()) / _TRIES
        for tries_left in reversed(range(_TRIES)):
            for probe in asked:
                probe.send()
            until = deadline - tries_left * pause
            while asked := [probe for probe in asked if not probe.is_over]:
                readable = _wait(asked, until)
                if not readable:
                    break
                for probe in readable:
                    if probe.is_answered():
                        best = probe.address
                        if probe.is_ipv4:
                            return best
                if best:  # and it is of IPv6
                    asked = [probe for probe in asked if probe.is_ipv4]
    return best


def _wait(probes: list[_Probe], until: float) -> list[_Probe]:
    """Those to which something has come; none when the time is over."""
    with selectors.DefaultSelector() as waiting:
        for probe in probes:
            waiting.register(probe.socket, selectors.EVENT_READ, probe)
        return [key.data for key, _ in waiting.select(max(0.0, until - time.monotonic()))]


class _Probe:
    """A Binding request to one address. Making one raises OSError where no way leads there."""

    def __init__(
        self, transaction: bytes, family: int, kind: int, protocol: int, _: str, address: Any
    ) -> None:
        self._transaction = transaction
        self.address = address
        self.is_ipv4 = family == socket.AF_INET
        self.is_over = False
        """Whether nothing that counts can come any more."""
        self._left = _MOST_DATAGRAMS
        self.socket = socket.socket(family, kind, protocol)
        try:
            self.socket.setblocking(False)
            self.socket.connect(address)  # the system drops what others send
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self) -> None:
        """Ask, once more."""
        try:
            self.socket.send(_BINDING_REQUEST + self._transaction)
        except OSError:  # refused, or the network is gone
            self.is_over = True

    def is_answered(self) -> bool:
        """Read what has come; whether it is the answer."""
        try:
            said = self.socket.recv(_HEADER_BYTES)
        except BlockingIOError:
            return False  # its checksum was wrong
        except OSError:
            self.is_over = True
            return False
        self._left -= 1
        # Others can only guess the transaction. With it, it is the answer, or an error.
        is_ours = said[4:] == _BINDING_REQUEST[4:] + self._transaction
        self.is_over = is_ours or not self._left
        return is_ours and said[:2] == _BINDING_SUCCESS
