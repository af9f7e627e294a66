"""STUN (RFC 8489): checking that a server answers which tells us our public address.

libtorrent waits for its STUN server longer than it keeps the WebRTC offers that wait for it, so
a silent server stops all of WebRTC. So we ask first, and pass libtorrent only an address that
answered.
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
"""Per name. All are asked, so that a silent one does not keep us from the others."""

_MOST_DATAGRAMS = 20
"""The most to read from one address before it counts as silent; an answer is one datagram."""

FIRST_SECONDS = 0.7
"""How long to wait for the first answer, while the user waits as well. What follows takes less than
the rest of a second."""

SECONDS = 2.0
"""How long to wait for later answers. A server as slow as that is better than none."""

_AGAIN_SECONDS = 15.0
"""Rare, because a third party answers. A server that becomes silent is noticed within 17 s."""


def answers(server: str, seconds: float = SECONDS) -> bool:
    """Return whether the server, `HOST:PORT`, answers a Binding request within that time."""
    return bool(Server(server).ask(seconds))


class Watch:
    """Asks a server repeatedly, in a thread of its own, until `close`."""

    def __init__(self, server: str) -> None:
        """`server` is `HOST:PORT`; an IPv6 address has brackets."""
        self.url: str | None = None
        """The last result of `Server.ask`; None until there is one."""
        self._closed = threading.Event()
        threading.Thread(target=self._run, args=(Server(server),), daemon=True).start()

    def _run(self, server: Server) -> None:
        self.url = server.ask(FIRST_SECONDS)
        # Ask a slow server again at once, so that it can soon be used.
        pause = _AGAIN_SECONDS if self.url else 0.0
        while not self._closed.wait(pause):
            self.url = server.ask(SECONDS)
            pause = _AGAIN_SECONDS

    def close(self) -> None:
        """Stop asking."""
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
        """Return the `stun:` URL (RFC 7064) of an address that answers in time; empty if none."""
        deadline = time.monotonic() + seconds
        address = None
        with contextlib.suppress(OSError):  # this process has no descriptor left
            address = _answering(self._resolved(deadline), deadline)
        if address is None:
            self._addresses = []  # it may have moved
            return ""
        host, port = address[:2]
        # libtorrent accepts no brackets, and takes a host without a dot for a scheme.
        return f"stun:{quote(host, safe='')}:{port}"

    def _resolved(self, deadline: float) -> list[Any]:
        if not self._addresses:
            # A look-up that hangs cannot be ended: let it go on, and start no other.
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
    """Return the socket address that answers by the deadline, or None.

    It prefers IPv4, where routers translate addresses.
    """
    transaction = secrets.token_bytes(12)
    best = None
    with contextlib.ExitStack() as closing:
        asked = []
        for found in addresses:
            with contextlib.suppress(OSError):  # unreachable, or no such protocol here
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
                if best:  # it is IPv6
                    asked = [probe for probe in asked if probe.is_ipv4]
    return best


def _wait(probes: list[_Probe], until: float) -> list[_Probe]:
    """Return the probes with something to read; none when the time is up."""
    with selectors.DefaultSelector() as waiting:
        for probe in probes:
            waiting.register(probe.socket, selectors.EVENT_READ, probe)
        return [key.data for key, _ in waiting.select(max(0.0, until - time.monotonic()))]


class _Probe:
    """A Binding request to one address. Making one raises OSError when it is unreachable."""

    def __init__(
        self, transaction: bytes, family: int, kind: int, protocol: int, _: str, address: Any
    ) -> None:
        self._transaction = transaction
        self.address = address
        self.is_ipv4 = family == socket.AF_INET
        self.is_over = False
        """Whether no useful answer can come any more."""
        self._left = _MOST_DATAGRAMS
        self.socket = socket.socket(family, kind, protocol)
        try:
            self.socket.setblocking(False)
            self.socket.connect(address)  # the kernel drops datagrams from others
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self) -> None:
        """Send the request, again if need be."""
        try:
            self.socket.send(_BINDING_REQUEST + self._transaction)
        except OSError:  # refused, or the network is gone
            self.is_over = True

    def is_answered(self) -> bool:
        """Read one datagram; return whether it is the answer."""
        try:
            said = self.socket.recv(_HEADER_BYTES)
        except BlockingIOError:
            return False  # its checksum was wrong
        except OSError:
            self.is_over = True
            return False
        self._left -= 1
        # Others can only guess the transaction id. With it, this is the answer or an error.
        is_ours = said[4:] == _BINDING_REQUEST[4:] + self._transaction
        self.is_over = is_ours or not self._left
        return is_ours and said[:2] == _BINDING_SUCCESS
