"""What a web server answers: its header, its redirects and its body, over a socket on loopback."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import socket
import ssl
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from unittest import mock

from fuzz import changes
from fuzz.harness import Harness, Target, by_bytes
from memocast.podcasts import http_get
from memocast.podcasts.http_get import Response, checked_url

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 4_096
_SECONDS = 5.0
_KNOWN = Response("http://pod.example/feed", etag='"x"', modified="now")
_NEXT = b"<next>"


def answer(data: bytes) -> str:
    """Answers of a server, byte for byte, one for each time that it is asked."""
    answers = data.split(_NEXT)
    target = io.BytesIO()
    told: list[tuple[int, int]] = []
    server = _server()
    with server.answering(answers), _leads_to(server.port):
        found = http_get.get(
            "http://pod.example/feed",
            target,
            LIMIT,
            _SECONDS,
            _KNOWN,
            tell=lambda *progress: told.append(progress),
        )
    assert server.asked <= 11, "at most ten redirects"
    assert len(target.getvalue()) <= LIMIT
    assert told == sorted(told)
    if found is None:
        return "unchanged"
    for text in asdict(found).values():
        assert isinstance(text, str)
        text.encode()
    assert http_get.Response(**json.loads(json.dumps(asdict(found)))) == found
    assert not told or told[-1][0] == len(target.getvalue())
    # It is sent back the next time, to the same server.
    with server.answering([_OK]), _leads_to(server.port):
        http_get.get("http://pod.example/feed", io.BytesIO(), LIMIT, _SECONDS, found)
    return "accepted"


def address(data: bytes) -> str:
    """An address that a feed or a user names."""
    url = checked_url(data.decode(errors="surrogateescape"))
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert url[:8].lower().startswith(("http://", "https://"))
    assert "#" not in url
    assert checked_url(url) == url
    return "accepted"


class _Server:
    """A web server that says what it is told to, whatever it is asked."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.1)
        self.port: int = self._listening.getsockname()[1]
        self.asked = 0

    @contextlib.contextmanager
    def answering(self, answers: list[bytes]) -> Iterator[None]:
        """Give these answers, the last one again and again, until the block ends."""
        self.asked = 0
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(answers, ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            with contextlib.suppress(OSError):  # has it look whether it is to end
                socket.create_connection(("127.0.0.1", self.port)).close()
            thread.join()

    def _run(self, answers: list[bytes], ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            with connection, contextlib.suppress(OSError):
                if ended.is_set():
                    return
                connection.settimeout(_SECONDS)
                connection.recv(1 << 16)
                connection.sendall(answers[min(self.asked, len(answers) - 1)])
                self.asked += 1


@functools.cache
def _server() -> _Server:
    return _Server()


@contextlib.contextmanager
def _leads_to(port: int) -> Iterator[None]:
    """Have every name and address lead to our server: nothing may leave this machine."""
    dial = socket.socket.connect

    def lead(_host: object, port: Any, *_args: object, **_options: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", int(port or 80)))]

    def connect(self: socket.socket, _address: object) -> None:
        dial(self, ("127.0.0.1", port))

    with (
        mock.patch.object(socket, "getaddrinfo", lead),
        mock.patch.object(socket.socket, "connect", connect),
        mock.patch.dict("os.environ", {"no_proxy": "*"}),
        mock.patch.object(ssl, "_create_default_https_context", _no_certificates),
    ):
        yield


@functools.cache
def _no_certificates() -> ssl.SSLContext:
    """Trust nobody, which takes less time than to read whom the system trusts."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# -- inputs --------------------------------------------------------------------------

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\nhello"


def answers() -> list[bytes]:
    """Answers of servers, kind and hostile."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    to = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
    return [
        _OK,
        _OK.replace(b"Type: text/xml", b'Type: a/b\r\nETag: "y"\r\nLast-Modified: now'),
        chunked + b"5\r\nhello\r\n0\r\n\r\n",
        chunked + b"FFFFFFFFFFFFFFFFFFFF\r\nhello\r\n",
        chunked + b"-5\r\nhello\r\n",
        b"HTTP/1.0 200\r\n\r\nuntil the end",
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + _OK,
        _NEXT.join([to % b"/other", to % b"https://x/", _OK]),
        _NEXT.join([to % b"//y/\xfc", _OK]),
        to % b"http://pod.example/feed",
        to % b"file:///etc/passwd",
        to % b"http://user:pw@x/",
        to % b"http://[::1",
        to % b"http://x:99999/",
        b"HTTP/1.1 302 Found\r\n\r\n",
        _OK.replace(b"5\r\n", b"99999\r\n"),
        _OK.replace(b"5\r\n", b"-1\r\n"),
        _OK.replace(b"5\r\n", b"1e9\r\n"),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 120 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nETag: " + b"x" * 5_000 + b"\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nETag: "\xff\xfe\x80"\r\n folded\r\n\r\n',
        b"HTTP/9.9 999 \x1b[31m\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"",
    ]


def addresses() -> list[bytes]:
    """Addresses, good and bad."""
    return [
        b"http://pod.example/feed",
        "https://grüße.example:443/ä b?c=d&e#f".encode(),
        b"HTTP://[2001:db8::1]:80/%zz%41",
        b"http://user:pw@h/",
        b"http://h:x/",
        b"http://[::1",
        b"ftp://h/",
        b" http://h\t/\r\nX: y ",
        b"http://h/\xff\x00",
        b"http://\xe2\x84\x80/",
        b"http://h/" + b"x" * 2_000,
        b"",
    ]


HARNESS = Harness(
    {
        "answer": Target(answer, answers, changes.one_of(changes.in_lines, by_bytes)),
        "address": Target(address, addresses, by_bytes),
    },
    codes=frozenset({1, 5, 6, 7}),
    tokens=(
        *("HTTP/1.1 200 OK\\x0d\\x0a", "HTTP/1.1 302 X\\x0d\\x0aLocation: ", "Content-Length: "),
        *("Transfer-Encoding: chunked\\x0d\\x0a\\x0d\\x0a", "ETag: ", "Last-Modified: ", "<next>"),
        *("Content-Type: ", "Connection: close", "Content-Encoding: gzip", "http://", "https://"),
        *("Set-Cookie: ", "\\x0d\\x0a\\x0d\\x0a", "://[", "%00", "@"),
    ),
    seconds=20,
)
