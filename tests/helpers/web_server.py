"""A web server of a test's own, in a thread: what it serves, how, and what it was asked."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from helpers.served_in_thread import ServedInThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass
class Reply:
    """What is sent for a path; `send` writes the body itself, and for as long as it likes.

    With `ranges`, the rest of the body is sent to whoever has its beginning (RFC 9110, 14).
    Nothing is sent after the body's first `stall_at` bytes, but the connection stays.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    send: Callable[[BaseHTTPRequestHandler], None] | None = None
    ranges: bool = False
    stall_at: int | None = None

    def rest(self, headers: Mapping[str, str]) -> Reply:
        """The reply to a request for a part: that, or the whole if it has changed."""
        asked = headers.get("Range", "")
        version = self.headers.get("ETag", self.headers.get("Last-Modified"))
        if not (self.ranges and asked and headers.get("If-Range") == version):
            return self
        begin = int(asked.removeprefix("bytes=").rstrip("-"))
        size = len(self.body)
        if begin >= size:
            return Reply(status=416, headers={"Content-Range": f"bytes */{size}"})
        part = {"Content-Range": f"bytes {begin}-{size - 1}/{size}"}
        return Reply(self.body[begin:], 206, self.headers | part)


class WebServer(ServedInThread):
    """Serves `replies` by path; `asked` has each request's path and headers, in order, and
    `targets` the paths as they came, with their queries."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.targets: list[str] = []
        self.ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer((address, port), Handler)
        server.daemon_threads = True
        super().__init__(server)
        self.url = f"http://{address}:{server.server_port}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        self.asked.append((path, dict(request.headers)))
        self.targets.append(request.path)
        reply = self.replies.get(path, Reply(status=404))
        etag = reply.headers.get("ETag")
        with contextlib.suppress(OSError):
            if etag and request.headers.get("If-None-Match") == etag:
                reply = Reply(status=304)
            reply = reply.rest(dict(request.headers))
            request.send_response(reply.status)
            for name, value in reply.headers.items():
                request.send_header(name, value)
            if reply.send is None and "Content-Length" not in reply.headers:
                request.send_header("Content-Length", str(len(reply.body)))
            request.end_headers()
            if reply.send:
                reply.send(request)
            elif reply.stall_at is not None:
                request.wfile.write(reply.body[: reply.stall_at])
                self.ended.wait()
            else:
                request.wfile.write(reply.body)

    def stop(self) -> None:
        self.ended.set()
        super().stop()


@pytest.fixture
def server() -> Iterator[WebServer]:
    """A web server on loopback."""
    with WebServer() as running:
        yield running
