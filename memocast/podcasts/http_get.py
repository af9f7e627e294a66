"""Web: what a stranger's HTTP server sends, whatever it tries, within bounds of size and time."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urldefrag, urlsplit

from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_URL = 2_000
MIN_RATE = 1_000
"""Bytes a second, over any time-out's length. A server that sends less is not waited for."""

_BLOCK = 1 << 16
_KEPT = ("Content-Type", "ETag", "Last-Modified")
_REACHES = "check the address, and whether this machine reaches it; then try again"
_LATER = "try again later"


@dataclass(frozen=True, slots=True)
class Response:
    """What a server said beside the content: its `url` after redirects, its Content-Type `kind`.

    `etag` and `modified` tell it the next time what is here already.
    """

    url: str
    kind: str = ""
    etag: str = ""
    modified: str = ""


def checked_url(url: str) -> str:
    """`url` without its fragment, fit to be asked for: other than ASCII is percent-encoded.

    Raises NotALink unless it is http or https, without a password.
    """
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or len(url) > MAX_URL:
        raise NotALink(
            f"'{_shown(url)}' is no address on the web",
            hint="memocast takes feeds and audio by http:// and https:// only",
        )
    if parts.username is not None or parts.password is not None:
        raise NotALink(
            f"the address of {host} has a name or password in it",
            hint="memocast sends none; use an address without",
        )
    return quote(urldefrag(url.strip()).url, safe="%/:=&?~#+!$,;'@()*[]")


def get(
    url: str,
    target: IO[bytes],
    limit: int,
    timeout: float,
    known: Response | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Response | None:
    """Write what is at `url` to `target`; None when it is still what is `known`.

    At most `limit` bytes are read. `timeout`, in seconds, is for each answer and for each
    `timeout * MIN_RATE` bytes. `tell` hears how many bytes are here, of how many; 0 is unknown.
    Raises NotALink, SwarmTimeout, Refused, and MemocastError for what the server says is wrong.
    """
    address = checked_url(url)
    host = urlsplit(address).hostname or ""
    headers = {"User-Agent": f"memocast/{__version__}", "Accept-Encoding": "identity"}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.modified:
        headers["If-Modified-Since"] = known.modified
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - it is checked
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
        return Refused(f"{host} leads in circles, or where memocast does not go", hint=_REACHES)
    reason = http.client.responses.get(error.code, "")
    return MemocastError(f"{host} answered: {error.code} {reason}".rstrip(), hint=_REACHES)


def _asked(request: urllib.request.Request, timeout: float, watch: _Watch) -> Any:
    # Not build_opener: that knows file:, ftp: and data: too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        _Handler(watch),
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
    announced = response.length or 0  # as http.client has understood it
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
        raise SwarmTimeout(f"{host} sends too slowly: {done:,} bytes so far", hint=_LATER)
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
    """A redirect to where memocast does not go."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows up to ten redirects, to http and https only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request for where it leads."""
        try:
            checked_url(newurl)
        except NotALink:
            raise _Refusal(req.full_url, code, msg, headers, fp) from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Watch:
    """Shuts the connections of a request down when `timeout` seconds brought too little.

    A socket's own time-out begins anew with every byte, and a header has room for many.
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
        """Watch this one too."""
        # A descriptor of its own: TLS takes the socket's away from it.
        self._connections.append(socket.socket(fileno=os.dup(connection.fileno())))

    def hear(self, done: int) -> None:
        """So many bytes are here: the answer has come, with 0, or goes on."""
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
        """All is here, or nothing more is wanted."""
        self._ended.set()
        self._thread.join()
        for connection in self._connections:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection that is watched."""

    watch: _Watch

    def connect(self) -> None:
        """Connect, and have that watched."""
        super().connect()
        self.watch.begin(self.sock)


class _SecureConnection(http.client.HTTPSConnection, _Connection):
    """The same over TLS: what HTTPSConnection wraps is what _Connection has connected."""


class _Handler(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Opens http and https by connections that are watched."""

    def __init__(self, watch: _Watch) -> None:
        super().__init__()
        self._watch = watch

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Ask over TCP."""
        return self.do_open(self._watched(_Connection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Ask over TLS."""
        return self.do_open(self._watched(_SecureConnection), req)

    def _watched(self, kind: type[_Connection]) -> Any:
        def make(host: str, **options: Any) -> _Connection:
            connection = kind(host, **options)
            connection.watch = self._watch
            return connection

        return make


@contextlib.contextmanager
def _translated(host: str, watch: _Watch) -> Iterator[None]:
    """What goes wrong on the network comes out as SwarmTimeout; what a server says, as it is."""
    try:
        yield
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        if watch.is_over:
            raise SwarmTimeout(f"{host} sends too slowly", hint=_LATER) from error
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise SwarmTimeout(f"{host} does not answer: {reason}", hint=_REACHES) from error
    except (http.client.HTTPException, OSError) as error:
        if watch.is_over:  # we have shut it down, and this is what became of that
            raise SwarmTimeout(f"{host} sends too slowly", hint=_LATER) from error
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SwarmTimeout(f"{host} gave no whole answer: {said}", hint=_LATER) from error


def _shown(url: str) -> str:
    return url if len(url) <= 60 else f"{url[:57]}…"
