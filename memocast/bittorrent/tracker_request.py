"""What the relay asks of a stranger's HTTP tracker, and how it answers libtorrent.

* Public addresses are asked at any path, and their redirects are followed to public ones.
* What is inside is asked as a tracker in a local network is, at `/announce` without a query, and
  its redirects are followed to public addresses only. What came from a public feed is not asked
  there at all.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from memocast.errors import MemocastError
from memocast.formats.trackers import is_plain
from memocast.network.public_addresses import LOOPBACK
from memocast.network.public_connection import Guard
from memocast.network.public_http import Connection, SecureConnection

if TYPE_CHECKING:
    from memocast.bittorrent.tracker_relay import TrackerRelay

_SECONDS = 12.0
"""For an answer, as `tracker_completion_timeout` has it."""

_MOST_BYTES = 1 << 20
_MOST_REDIRECTS = 5
_MAX_REASON = 200
_PASSED_ON = ("User-Agent", "Accept-Encoding")
_PASSED_BACK = ("Content-Type", "Content-Encoding")


class Handler(BaseHTTPRequestHandler):
    """Passes a request of libtorrent's on, and the answer back."""

    timeout = _SECONDS

    def __init__(self, connection: Any, client: Any, server: Any, relay: TrackerRelay) -> None:
        self._relay = relay
        super().__init__(connection, client, server)  # which handles the request

    def do_GET(self) -> None:
        """Answer."""
        path, _, query = self.path.partition("?")
        found = self._relay.asked_for(path)
        answer = _Answer(http.HTTPStatus.NOT_FOUND)
        if found:
            tracker, public_only = found
            may_be_inside = is_plain(tracker) and not public_only
            answer = self._answer(tracker, query, may_be_inside=may_be_inside)
            is_heard = answer.status == http.HTTPStatus.OK
            self._relay.note(tracker, query, self.client_address[0], is_heard=is_heard)
        # Nothing of a stranger's that could end the line, or fill it.
        self.send_response(answer.status, re.sub("[^ -~]", "?", answer.reason[:_MAX_REASON]))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        with contextlib.suppress(OSError):  # libtorrent has given up
            self.wfile.write(answer.content)

    def _answer(self, tracker: str, query: str, *, may_be_inside: bool) -> _Answer:
        headers = {key: value for key in _PASSED_ON if (value := self.headers[key])}
        try:
            # From libtorrent's own address, by which the tracker then knows us.
            source = self.client_address[0]
            return _asked(tracker, query, headers, source, may_be_inside=may_be_inside)
        except (MemocastError, OSError, ValueError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            return _Answer(http.HTTPStatus.BAD_GATEWAY, reason)

    def log_message(self, *_: object) -> None:
        """Say nothing: standard error is the command's."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


def _asked(
    tracker: str, query: str, headers: dict[str, str], source: str, *, may_be_inside: bool
) -> _Answer:
    """Return a tracker's answer, after redirects."""
    deadline = time.monotonic() + _SECONDS
    url = f"{tracker}{'&' if '?' in tracker else '?'}{query}"
    own = urlsplit(tracker).hostname if may_be_inside else None
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
        self._source = None if source in LOOPBACK else (source, 0)
        self._dialled: socket.socket | None = None
        self._is_cut = False

    def dial(
        self, address: tuple[str, int], timeout: float | None = None, _: object = None
    ) -> socket.socket:
        """Connect. Raises also TimeoutError if it was cut meanwhile."""
        connection = super().dial(address, timeout, self._source)
        self._dialled = connection.dup()  # TLS detaches the socket's own descriptor
        if self._is_cut:
            connection.close()
            raise TimeoutError("timed out")
        return connection

    def cut(self) -> None:
        """Shut the connection down, or the one that is still being made."""
        self._is_cut = True
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
        # Without a port, the end of an IPv6 address would be taken for one.
        port = kind.default_port if parts.port is None else parts.port
        self._connection = kind(parts.hostname, port, timeout=left)
        self._connection.guard = self._dial = dial
        path = parts.path or "/"
        self._target = parts._replace(scheme="", netloc="", path=path, fragment="").geturl()
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
