"""Asks the HTTP trackers that came by links, in libtorrent's place.

libtorrent follows a tracker's redirects to any address, and looks names up itself, so that a
stranger's tracker could have it request anything inside the user's network. It is given an address
of this relay on the user's own machine instead.

* Public addresses are asked at any path, and their redirects are followed to public ones.
* What is inside is asked as a tracker in a local network is, at `/announce` without a query, and
  its redirects are not followed.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import re
import secrets
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from memocast.errors import MemocastError
from memocast.formats.addresses import address
from memocast.formats.trackers import PLAIN_PATH, is_plain
from memocast.public_connection import Connection, Guard, SecureConnection

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS = 12.0
"""For an answer, as `tracker_completion_timeout` has it."""

_MOST_BYTES = 1 << 20
_MOST_REDIRECTS = 5
_MAX_REASON = 200
_LOOPBACK = ("127.0.0.1", "::1")
_PASSED_ON = ("User-Agent", "Accept-Encoding")
_PASSED_BACK = ("Content-Type", "Content-Encoding")


class TrackerRelay:
    """Listens on this machine, where a session that listens on `addresses` can reach it."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._secret = secrets.token_hex(16)  # other users of this machine do not know it
        self._trackers: list[str] = []
        self._places: dict[str, str] = {}
        self._servers = _servers(self, _hosts(addresses))
        host, port = self._servers[0].server_address[:2]
        if len(self._servers) > 1:
            # By each family of addresses, so that the tracker learns ours of both.
            host = "localhost"
        # libtorrent asks loopback at /announce only.
        self._prefix = f"http://{address(str(host), port)}{PLAIN_PATH}/{self._secret}/"
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
            for server in self._servers
        ]
        for thread in self._threads:
            thread.start()

    def place(self, tracker: str) -> str:
        """Return the URL at which this relay stands for a tracker."""
        if tracker not in self._places:
            self._places[tracker] = f"{self._prefix}{len(self._trackers)}"
            self._trackers.append(tracker)
        return self._places[tracker]

    def tracker(self, place: str) -> str:
        """Return the tracker that the URL stands for; if it is not of this relay, the same."""
        is_ours = place.startswith(self._prefix)
        return self._trackers[int(place.removeprefix(self._prefix))] if is_ours else place

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def is_reached_from(self, host: str) -> bool:
        """Return whether a session's socket at this address reaches the relay."""
        import ipaddress

        at = {str(server.server_address[0]) for server in self._servers}
        if at & set(_LOOPBACK):
            return ipaddress.ip_address(host).is_loopback
        return host in at

    def answer(self, target: str, headers: dict[str, str], source: str) -> _Answer:
        """Return a tracker's answer to the request for `target`, a path with a query.

        It is asked from the address `source`, by which it knows us.
        """
        path, _, query = target.partition("?")
        _, _, number = path.partition(f"{PLAIN_PATH}/{self._secret}/")
        if not number.isdecimal() or int(number) >= len(self._trackers):
            return _Answer(http.HTTPStatus.NOT_FOUND)
        try:
            return _asked(self._trackers[int(number)], query, headers, source)
        except (MemocastError, OSError, ValueError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            return _Answer(http.HTTPStatus.BAD_GATEWAY, reason)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


def _asked(tracker: str, query: str, headers: dict[str, str], source: str) -> _Answer:
    """Return a tracker's answer, after redirects."""
    deadline = time.monotonic() + _SECONDS
    url = f"{tracker}{'&' if '?' in tracker else '?'}{query}"
    own = urlsplit(tracker).hostname if is_plain(tracker) else None
    for _ in range(_MOST_REDIRECTS + 1):
        with _Request(url, _Dial(own or "", source), headers, deadline) as response:
            location = response.headers.get("Location")
            if response.status // 100 != 3 or not location:
                content = response.read(_MOST_BYTES + 1)
                if len(content) > _MOST_BYTES:
                    raise ValueError("its answer is too large")
                known = {key: value for key in _PASSED_BACK if (value := response.headers[key])}
                return _Answer(response.status, response.reason, known, content)
        url = urljoin(url, location)
        own = None
    raise ValueError("it redirects in a loop")


class _Dial(Guard):
    """A guard whose connection can be cut."""

    def __init__(self, own: str, source: str) -> None:
        super().__init__(own, socket.AF_INET6 if ":" in source else socket.AF_INET)
        # From loopback itself nothing else could be reached.
        self._source = None if source in _LOOPBACK else (source, 0)
        self._dialled: socket.socket | None = None

    def dial(
        self, address: tuple[str, int], timeout: float | None = None, _: object = None
    ) -> socket.socket:
        """Connect."""
        connection = super().dial(address, timeout, self._source)
        self._dialled = connection.dup()  # TLS detaches the socket's own descriptor
        return connection

    def cut(self) -> None:
        """Shut the connection down."""
        if self._dialled:
            with contextlib.suppress(OSError):
                self._dialled.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it."""
        if self._dialled:
            self._dialled.close()


class _Request:
    """A GET request, which is given up at the deadline."""

    def __init__(self, url: str, dial: _Dial, headers: dict[str, str], deadline: float) -> None:
        parts = urlsplit(url)
        left = deadline - time.monotonic()
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("it is at an address that memocast does not ask")
        if left <= 0:
            raise TimeoutError("timed out")
        kind = SecureConnection if parts.scheme == "https" else Connection
        self._connection = kind(parts.hostname, parts.port, timeout=left)
        self._connection.guard = self._dial = dial
        self._target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        self._headers = headers
        # A socket's own time-out restarts with every byte.
        self._timer = threading.Timer(left, dial.cut)
        self._timer.daemon = True

    def __enter__(self) -> http.client.HTTPResponse:
        self._timer.start()
        try:
            self._connection.request("GET", self._target, headers=self._headers)
            return self._connection.getresponse()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()
        self._dial.close()


def _hosts(addresses: Sequence[str]) -> list[str]:
    """Return where to listen, for sessions that listen on these addresses."""
    import ipaddress

    found = [ipaddress.ip_address(each) for each in addresses]
    loopback = {
        _LOOPBACK[each.version == 6] for each in found if each.is_unspecified or each.is_loopback
    }
    return sorted(loopback) or [str(each) for each in found[:1]] or [_LOOPBACK[0]]


def _servers(relay: TrackerRelay, hosts: Sequence[str]) -> list[socketserver.TCPServer]:
    """Listen on these addresses, all at one port. Raises OSError if not even the first can be."""
    servers: list[socketserver.TCPServer] = []
    for host in hosts:
        port = servers[0].server_address[1] if servers else 0
        try:
            servers.append(_server(relay, host, port))
        except OSError:  # without IPv6, or the port is taken there
            if not servers:
                raise
    return servers


def _server(relay: TrackerRelay, host: str, port: int) -> socketserver.TCPServer:
    from http.server import BaseHTTPRequestHandler

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_GET(self) -> None:
            passed_on = {key: value for key in _PASSED_ON if (value := self.headers[key])}
            answer = relay.answer(self.path, passed_on, self.client_address[0])
            # Nothing of a stranger's that could end the line, or fill it.
            reason = re.sub("[^ -~]", "?", answer.reason[:_MAX_REASON])
            self.send_response(answer.status, reason)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # libtorrent has given up
                self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing: standard error is the command's."""

    # Not HTTPServer, which looks up its own name.
    class Server(socketserver.ThreadingTCPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True
        block_on_close = False
        request_queue_size = 128

        def verify_request(self, _: Any, client: Any) -> bool:
            # This machine; from elsewhere nothing comes to loopback.
            return host in _LOOPBACK or bool(client[0] == host)

        def handle_error(self, *_: object) -> None:
            """Say nothing of a client that left."""

    return Server((host, port), Handler)
