"""The bounds of what is taken from a web server, or from a feed in a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from helpers.web_server import Reply, WebServer
from memocast.errors import Refused
from memocast.podcasts import http_get
from memocast.podcasts.parser import MAX_FEED_BYTES
from memocast.podcasts.source import look

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

LIMIT = 100_000


def without_length(size: int) -> Reply:
    """So many bytes, whose end is the end of the connection."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(bytes(size))
        request.close_connection = True

    return Reply(send=send)


def got(server: WebServer, reply: Reply) -> int:
    """How many bytes of the reply arrive."""
    server.replies["/file"] = reply
    target = io.BytesIO()
    http_get.get(f"{server.url}/file", target, LIMIT, 10.0)
    return len(target.getvalue())


def test_as_much_as_is_allowed_is_taken(server: WebServer) -> None:
    assert got(server, Reply(bytes(LIMIT))) == LIMIT
    assert got(server, without_length(LIMIT)) == LIMIT


def test_one_byte_more_is_refused_whether_it_is_announced_or_not(server: WebServer) -> None:
    for reply in (Reply(bytes(LIMIT + 1)), without_length(LIMIT + 1)):
        with pytest.raises(Refused, match="than the limit of 100,000 bytes"):
            got(server, reply)


def test_a_feed_in_a_file_of_one_byte_too_many_says_so(tmp_path: Path) -> None:
    feed = tmp_path / "feed.xml"
    with feed.open("wb") as file:
        file.truncate(MAX_FEED_BYTES + 1)
    with pytest.raises(Refused, match="is larger than 16,777,216 bytes"):
        look(str(feed), "", 10.0)
