"""A WebSocket tracker that takes a connection and is silent holds nobody up, least of all an end.

libtorrent waits for such a tracker without a limit when a session is closed, and nothing could
interrupt that, not even Ctrl-C.
"""

from __future__ import annotations

import base64
import hashlib
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from helpers.processes import running
from helpers.trackers import BadTracker, HttpTracker
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.memocast_user import Memocast

SECONDS = 10.0
"""For a command that has a second's work, on a busy machine. It was a minute, or for ever."""

_NAME = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


def upgraded_and_silent(request: Any) -> None:
    """A right handshake, after which no frame comes and none is answered."""
    key = request.headers["Sec-WebSocket-Key"] + _NAME
    request.send_response(101)
    request.send_header("Upgrade", "websocket")
    request.send_header("Connection", "Upgrade")
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    request.send_header("Sec-WebSocket-Accept", accept)
    request.end_headers()
    while request.connection.recv(4096):
        pass


def slow(request: Any) -> None:
    """The beginning of an answer, and no end of it."""
    request.wfile.write(b"HTTP/1.1 101 Switching")
    while request.connection.recv(4096):
        pass


@pytest.fixture(params=["silent", "slow", "upgraded and silent"])
def tracker(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "silent":
        with BadTracker() as bad:
            yield bad.url.replace("http:", "ws:")
        return
    mood = {"slow": slow, "upgraded and silent": upgraded_and_silent}[request.param]
    with HttpTracker() as bad:
        bad.mood = mood
        yield bad.url.replace("http:", "ws:")


def test_a_fetch_that_finds_nobody_ends_in_time(ben: Memocast, tracker: str) -> None:
    link = f"magnet:?xt=urn:btih:{'ab' * 20}&tr={tracker}"
    with running(ben.start("fetch", link, "--timeout", "1")) as fetch:
        assert fetch.wait(SECONDS) == 6


@pytest.mark.long
@pytest.mark.parametrize("tracker", ["silent"], indirect=True)
def test_ctrl_c_ends_a_seeder_and_all_its_workers(
    memocast: Callable[..., Memocast], opus: Path, tracker: str
) -> None:
    anna = memocast("anna", MEMOCAST_TRACKERS=tracker)
    anna.run("share", anna.add(opus), "--no-seed")
    with running(anna.start("seed")) as seeder:
        wait_for(
            "the worker for browsers",
            lambda: ((anna.seeder() or {}).get("web") or {}).get("seeding"),
        )
        began = time.monotonic()
        seeder.send_signal(signal.SIGINT)
        assert seeder.wait(2 * SECONDS) == 0
        assert time.monotonic() - began < SECONDS / 2
