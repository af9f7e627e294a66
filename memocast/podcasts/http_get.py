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
from urllib.parse import quote, unquote, urldefrag, urlsplit

from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.public_connection import Guard
from memocast.public_http import Connection, SecureConnection
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
    """Return `url` ready for a request: without its fragment, non-ASCII percent-encoded.

    A host name in other letters is written as IDNA does (RFC 3490). Raises NotALink unless it is
    http or https, without a password.
    """
    try:
        parts = urlsplit(url.strip())
        host = _ascii_host(parts.hostname or "")
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or len(url) > MAX_URL:
        raise NotALink(
            f"'{_shown(url)}' is not a web address",
            hint="memocast fetches feeds and audio by http:// and https:// only",
        )
    if parts.username is not None or parts.password is not None:
        raise NotALink(
            f"the address of {host} contains a user name or password",
            hint="memocast sends neither; use an address without them",
        )
    if host != parts.hostname:
        url = parts._replace(netloc=host + port).geturl()
    return quote(urldefrag(url.strip()).url, safe="%/:=&?~#+!$,;'@()*[]")


def _ascii_host(host: str) -> str:
    name = unquote(host)
    if ":" in host or (name == host and name.isascii()):
        return host
    name = name.encode("idna").decode("ascii").lower()
    if not re.fullmatch(r"[a-z0-9._-]+", name):
        raise ValueError(host)
    return name


def get(
    url: str,
    target: IO[bytes],
    limit: int,
    timeout: float,
    known: Response | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
    guard: Guard | None = None,
) -> Response | None:
    """Write the content of `url` to `target`; return None if it is unchanged since `known`.

    Reads at most `limit` bytes. `timeout`, in seconds, applies to each answer and to each
    `timeout * MIN_RATE` bytes. Calls `tell` with the bytes received and their total, 0 if unknown.
    Goes, redirects included, only where `guard` allows; without one, `url` is taken for the user's
    own, whose host may be inside.
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
            response = _asked(request, timeout, watch, guard or Guard(host))
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
        return Refused(
            f"{host} redirects in a loop, or to an address that memocast does not fetch",
            hint=_REACHES,
        )
    reason = http.client.responses.get(error.code, "")
    return MemocastError(f"{host} answered: {error.code} {reason}".rstrip(), hint=_REACHES)


def _asked(request: urllib.request.Request, timeout: float, watch: _Watch, guard: Guard) -> Any:
    # Not build_opener, which handles file:, ftp: and data: too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        _Handler(watch, guard),
    ):
        opener.add_handler(handler)
    return opener.open(request, timeout=timeout)


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
    hint = f"allow it: memocast follow --max-size {announced}" if announced else ""
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
            newurl = checked_url(newurl)
        except NotALink:
            raise _Refusal(req.full_url, code, msg, headers, fp) from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


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


class _Connection(Connection):
    """A watched connection."""

    watch: _Watch

    def connect(self) -> None:
        """Connect and begin to watch."""
        super().connect()
        self.watch.begin(self.sock)


class _SecureConnection(SecureConnection, _Connection):
    """The same over TLS: HTTPSConnection wraps the socket that _Connection connected."""


class _Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens http and https over watched connections, to where the guard allows."""

    def __init__(self, watch: _Watch, guard: Guard) -> None:
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
            self._guard.check_literal(host)

        def make(host: str, **options: Any) -> _Connection:
            connection = kind(host, **options)
            connection.watch = self._watch
            connection.guard = None if has_proxy else self._guard
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
        raise SwarmTimeout(f"incomplete answer from {host}: {said}", hint=_LATER) from error


def _shown(url: str) -> str:
    return url if len(url) <= 60 else f"{url[:57]}…"
