"""HTTP GET from a stranger's server, with limits on size and time."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.text import shortened
from memocast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_URL = 2_000
MIN_RATE = 1_000
"""Bytes a second, averaged over a time-out. A slower server is given up."""

_BLOCK = 1 << 16
_KEPT = ("Content-Type", "ETag", "Last-Modified")
_REACHES = "check the address and your connection, then try again"
_LATER = "try again later"


@dataclass(frozen=True, slots=True)
class Response:
    """A response's headers: its `url` after redirects, and its Content-Type `kind`.

    `etag` and `modified` tell the server next time which version we have.
    """

    url: str
    kind: str = ""
    etag: str = ""
    modified: str = ""


def checked_url(url: str) -> str:
    """Return `url` ready for a request: without its fragment, in ASCII.

    Raises NotALink unless it is http or https, without a password.
    """
    try:
        url.encode()
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        name = _in_ascii(host or "")
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or len(url) > MAX_URL:
        raise NotALink(
            f"'{shortened(url)}' is not a web address",
            hint="memocast fetches feeds and audio by http:// and https:// only",
        )
    if parts.username is not None or parts.password is not None:
        raise NotALink(
            f"the address of {host} contains a user name or password",
            hint="memocast sends neither; use an address without them",
        )
    if name != host:
        parts = parts._replace(netloc=name if port is None else f"{name}:{port}")
    return quote(parts._replace(fragment="").geturl(), safe="%/:=&?~#+!$,;'@()*[]")


def _in_ascii(host: str) -> str:
    """Return a host's name as a request has it. Raises ValueError if it has none."""
    if ":" in host:  # IPv6
        return host
    # urllib decodes what is percent-encoded, and cannot write most of it into a header.
    name = unquote(host).encode("idna").decode()
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise ValueError(host)
    return name


def get(
    url: str,
    target: IO[bytes],
    limit: int,
    timeout: float,
    known: Response | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Response | None:
    """Write the content of `url` to `target`; return None if it is unchanged since `known`.

    Reads at most `limit` bytes. `timeout`, in seconds, applies to each answer and to each
    `timeout * MIN_RATE` bytes. Calls `tell` with the bytes received and their total, 0 if unknown.
    Raises NotALink, SwarmTimeout, Refused, and MemocastError for the server's error status.
    """
    address = checked_url(url)
    host = urlsplit(address).hostname or ""
    headers = {"User-Agent": f"memocast/{__version__}", "Accept-Encoding": "identity"}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.modified:
        headers["If-Modified-Since"] = known.modified
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - checked above
    watch = _Watch(timeout)
    try:
        with _translated(host, watch):
            response = _asked(request, timeout, watch)
        with response:
            _copy(response, target, host, limit, watch, tell)
        said = [response.headers.get(name, "") for name in _KEPT]
        return Response(response.url, *said)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.NOT_MODIFIED and known:
            return None
        raise _said(error, host) from None
    finally:
        watch.end()


def _said(error: urllib.error.HTTPError, host: str) -> MemocastError:
    if isinstance(error, _Refusal) or error.code in range(300, 400):
        return _not_fetched(host)
    reason = http.client.responses.get(error.code, "")
    return MemocastError(f"{host} answered: {error.code} {reason}".rstrip(), hint=_REACHES)


def _not_fetched(host: str) -> Refused:
    return Refused(
        f"{host} redirects in a loop, or to an address that memocast does not fetch", hint=_REACHES
    )


def _asked(request: urllib.request.Request, timeout: float, watch: _Watch) -> Any:
    # Not build_opener, which handles file:, ftp: and data: too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        _Handler(watch),
    ):
        opener.add_handler(handler)
    try:
        return opener.open(request, timeout=timeout)
    except ValueError as error:  # of urllib, about an address that the server redirects to
        raise _not_fetched(request.host) from error


def _copy(
    response: Any,
    target: IO[bytes],
    host: str,
    limit: int,
    watch: _Watch,
    tell: Callable[[int, int], None],
) -> None:
    announced = response.length or 0  # as http.client understood it
    if announced > limit:
        raise _too_large(host, limit, announced)
    done = 0
    watch.hear(done)
    while block := _read(response, host, watch):
        done += len(block)
        if done > limit:
            raise _too_large(host, limit, 0)
        target.write(block)
        tell(done, announced)
        watch.hear(done)
    if watch.is_over:
        raise SwarmTimeout(f"{host} is too slow: {done:,} bytes so far", hint=_LATER)
    if done < announced:
        raise SwarmTimeout(f"{host} stopped at {done:,} of {announced:,} bytes", hint=_LATER)


def _read(response: Any, host: str, watch: _Watch) -> bytes:
    with _translated(host, watch):
        block: bytes = response.read1(_BLOCK)
        return block


def _too_large(host: str, limit: int, announced: int) -> Refused:
    size = f"{announced:,} bytes, more" if announced else "more"
    hint = f"allow it: memocast follow --max-size {announced or 'BYTES'}"
    return Refused(f"{host} sends {size} than the limit of {limit:,} bytes", hint=hint)


class _Refusal(urllib.error.HTTPError):
    """A redirect to an address that memocast does not fetch."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows up to ten redirects, to http and https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request for the redirect's target."""
        try:
            address = checked_url(newurl)
        except NotALink:
            raise _Refusal(req.full_url, code, msg, headers, fp) from None
        return super().redirect_request(req, fp, code, msg, headers, address)


class _Watch:
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
        """Watch this connection too."""
        # With its own descriptor: TLS detaches the socket's.
        self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))

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


class _Connection(http.client.HTTPConnection):
    """A watched connection."""

    watch: _Watch

    def connect(self) -> None:
        """Connect and begin to watch."""
        super().connect()
        self.watch.begin(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """The same over TLS: HTTPSConnection wraps the socket that _Connection connected."""


class _Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens http and https over watched connections."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send the request over TCP."""
        return self.do_open(self._watched(_Connection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send the request over TLS."""
        return self.do_open(self._watched(_SecureConnection), req)

    def _watched(self, kind: type[_Connection]) -> Any:
        def make(host: str, **options: Any) -> _Connection:
            connection = kind(host, **options)
            connection.watch = self._watch
            return connection

        return make


@contextlib.contextmanager
def _translated(host: str, watch: _Watch) -> Iterator[None]:
    """Raise network errors as SwarmTimeout; leave the server's error statuses as they are."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        if watch.is_over:
            raise SwarmTimeout(f"{host} is too slow", hint=_LATER) from error
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise SwarmTimeout(f"{host} does not answer: {reason}", hint=_REACHES) from error
    except (http.client.HTTPException, OSError) as error:
        if watch.is_over:  # caused by our own shutdown
            raise SwarmTimeout(f"{host} is too slow", hint=_LATER) from error
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SwarmTimeout(
            f"incomplete answer from {host}: {shortened(said)}", hint=_LATER
        ) from error
