"""HTTP connections that end when too little arrives over them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from memocast.network.public_http import Connection, SecureConnection

if TYPE_CHECKING:
    import http.client

    from memocast.network.public_connection import Guard

MIN_RATE = 1_000
"""Bytes a second, averaged over a time-out. A slower server is given up."""


class Watch:
    """Shuts down a request's connections when too little arrived in `timeout` seconds.

    A socket's own time-out restarts with every byte, and a header can have many.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._counted = 0
        self._connections: list[socket.socket] = []
        self._ended = threading.Event()
        self.is_over = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def begin(self, connection: socket.socket) -> None:
        """Watch this connection too. Raises TimeoutError if the time is over."""
        # With its own descriptor: TLS detaches the socket's.
        self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))
        if self.is_over:  # the thread that would shut it down may have ended
            raise TimeoutError("timed out")

    def hear(self, done: int) -> None:
        """Note that `done` bytes have arrived; 0 when the answer's header has."""
        if not done or done - self._counted >= self._timeout * MIN_RATE:
            self._counted, self._deadline = done, time.monotonic() + self._timeout

    def _run(self) -> None:
        while not self._ended.wait(max(self._deadline - time.monotonic(), 0)):
            if time.monotonic() >= self._deadline:
                self.is_over = True
                for connection in self._connections:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                return

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


class _Connection(Connection):
    """A watched connection."""

    watch: Watch

    def connect(self) -> None:
        """Connect and begin to watch."""
        super().connect()
        self.watch.begin(self.sock)


class _SecureConnection(SecureConnection, _Connection):
    """The same over TLS: HTTPSConnection wraps the socket that _Connection connected."""


class WatchedHandler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens http and https over watched connections, to where the guard allows."""

    def __init__(self, watch: Watch, guard: Guard) -> None:
        super().__init__()
        self._watch = watch
        self._guard = guard

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send the request over TCP."""
        return self.do_open(self._made(_Connection, req), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send the request over TLS."""
        return self.do_open(self._made(_SecureConnection, req), req)

    def _made(self, kind: type[_Connection], req: urllib.request.Request) -> Any:
        host = urlsplit(req.full_url).hostname or ""
        # A proxy looks the name up, and is itself where its user says, mostly inside.
        has_proxy = req.has_proxy() or getattr(req, "_tunnel_host", None) is not None
        if has_proxy:
            self._guard.leave_to_proxy(host)

        def make(host: str, **options: Any) -> _Connection:
            connection = kind(host, **options)
            connection.watch = self._watch
            connection.guard = None if has_proxy else self._guard
            return connection

        return make
