"""HTTP GET from a stranger's server, with limits on size and time."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.network.public_connection import Guard
from memocast.podcasts.watched_connection import Watch, WatchedHandler
from memocast.text import shortened
from memocast.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_URL = 2_000
_BLOCK = 1 << 16
_KEPT = ("Content-Type", "ETag", "Last-Modified", "Date")
_AGE = timedelta(minutes=1)
"""From this age on, a Last-Modified is strong: a clock of seconds cannot hide another version."""

_REACHES = "check the address and your connection, then try again"
_LATER = "try again later"


@dataclass(frozen=True, slots=True)
class Response:
    """A response's headers: its `url` after redirects, and its Content-Type `kind`.

    `etag` and `modified` tell the server next time which version we have; `date` is when it was
    sent.
    """

    url: str
    kind: str = ""
    etag: str = ""
    modified: str = ""
    date: str = ""

    @property
    def validator(self) -> str:
        """What tells this version from every other, so that a part of it can be completed later.

        A strong ETag, or, if it has none at all, a strong Last-Modified (RFC 9110, 8.8.2.2 and
        13.1.5). Empty if it has neither.
        """
        if self.etag:
            return self.etag if self.etag.startswith('"') else ""
        try:
            modified, sent = (
                email.utils.parsedate_to_datetime(said) for said in (self.modified, self.date)
            )
            return self.modified if sent - modified >= _AGE else ""
        except (ValueError, TypeError, OverflowError):  # no dates, or only one has a time zone
            return ""

    def is_same(self, other: Response) -> bool:
        """Whether both are surely the same version."""
        return bool(self.validator) and (
            self.etag == other.etag if self.etag else self.modified == other.modified
        )


def checked_url(url: str) -> str:
    """Return `url` ready for a request: without its fragment, in ASCII.

    A host name in other letters is written as IDNA does (RFC 3490). Raises NotALink unless it is
    http or https, without a password.
    """
    try:
        url.encode()
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
        name = _in_ascii(host)
    except ValueError:
        host = ""
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
    part: Response | None = None,
    begun: Callable[[Response], None] = lambda _: None,
    guard: Guard | None = None,
) -> Response | None:
    """Write the content of `url` to `target`; return None if it is unchanged since `known`.

    If `target` has a part of it, received with the response `part`, the rest is requested, and
    the whole if the server cannot do that or has another version. `begun` is called with the
    response before anything is written.

    The content has at most `limit` bytes. `timeout`, in seconds, applies to each answer and to each
    `timeout * MIN_RATE` bytes. Calls `tell` with the bytes received and their total, 0 if unknown.
    Goes, redirects included, only where `guard` allows; without one, `url` is taken for the user's
    own, whose host may be inside.
    Raises NotALink, SwarmTimeout, Refused, and MemocastError for the server's error status.
    """
    address = checked_url(url)
    host = urlsplit(address).hostname or ""
    guard = guard or Guard(host)
    headers = {"User-Agent": f"memocast/{__version__}", "Accept-Encoding": "identity"}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.modified:
        headers["If-Modified-Since"] = known.modified
    have = target.seek(0, os.SEEK_END) if part and part.validator else 0
    if part and have:
        headers |= {"Range": f"bytes={have}-", "If-Range": part.validator}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - checked above
    watch = Watch(timeout)
    try:
        with _translated(host, watch):
            response = _asked(request, timeout, watch, guard)
        with response:
            said = Response(response.url, *[response.headers.get(name, "") for name in _KEPT])
            if response.status == http.HTTPStatus.PARTIAL_CONTENT:
                _check_part(response, said, host, have, part)
            else:
                target.seek(0)
                target.truncate()
            begun(said)
            _copy(response, target, host, limit, watch, tell)
        return said
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.NOT_MODIFIED and known:
            return None
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return part  # it was whole already
            return get(url, target, limit, timeout, tell=tell, begun=begun, guard=guard)
        raise _said(error, host) from None
    finally:
        watch.end()


def _check_part(response: Any, said: Response, host: str, have: int, part: Response | None) -> None:
    """Raise Refused unless the response is all that follows `have` bytes of `part`'s version.

    By its Content-Range and its ETag or date (RFC 9110, 14.4 and 15.3.7): there are servers that
    have another version and do not heed If-Range.
    """
    range_ = str(response.headers.get("Content-Range", ""))
    numbers = re.fullmatch(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)", range_)
    begin, last, size = numbers.groups() if numbers else ("", "", "")
    is_rest = begin == str(have) and (size == "*" or int(last) + 1 == int(size))
    if not (part and have and is_rest and part.is_same(said)):
        raise Refused(f"{host} sent another part than was asked for", hint=_LATER)


def _said(error: urllib.error.HTTPError, host: str) -> MemocastError:
    if isinstance(error, _Refusal) or error.code in range(300, 400):
        return _not_fetched(host)
    reason = http.client.responses.get(error.code, "")
    return MemocastError(f"{host} answered: {error.code} {reason}".rstrip(), hint=_REACHES)


def _not_fetched(host: str) -> Refused:
    return Refused(
        f"{host} redirects in a loop, or to an address that memocast does not fetch", hint=_REACHES
    )


def _asked(request: urllib.request.Request, timeout: float, watch: Watch, guard: Guard) -> Any:
    # Not build_opener, which handles file:, ftp: and data: too.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        WatchedHandler(watch, guard),
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
    watch: Watch,
    tell: Callable[[int, int], None],
) -> None:
    done = before = target.tell()
    rest = response.length or 0  # as http.client understood it
    announced = before + rest if rest else 0
    if announced > limit:
        raise _too_large(host, limit, announced)
    watch.hear(0)
    while block := _read(response, host, watch):
        done += len(block)
        if done > limit:
            raise _too_large(host, limit, 0)
        target.write(block)
        tell(done, announced)
        watch.hear(done - before)
    if watch.is_over:
        raise SwarmTimeout(f"{host} is too slow: {done:,} bytes so far", hint=_LATER)
    if done < announced:
        raise SwarmTimeout(f"{host} stopped at {done:,} of {announced:,} bytes", hint=_LATER)


def _read(response: Any, host: str, watch: Watch) -> bytes:
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
        fp.close()  # of a body urllib would read all, without a limit
        try:
            address = checked_url(newurl)
        except NotALink:
            raise _Refusal(req.full_url, code, msg, headers, fp) from None
        made = super().redirect_request(req, fp, code, msg, headers, address)
        if made:
            # The proxy's password, which is for no server: the proxy's handler adds it again where
            # the next request is for a proxy too.
            made.remove_header("Proxy-authorization")
        return made


@contextlib.contextmanager
def _translated(host: str, watch: Watch) -> Iterator[None]:
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
