"""STUN servers of the page: one that is silent costs a second, one that answers is used."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from helpers.browser import Net, Site
from helpers.listening_page import wait_whole
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page, WebSocket

    from helpers.memocast_user import Memocast

TITLE = "From far away"
SEEN_FROM_OUTSIDE = "198.51.100.7"
NOBODY = "magnet:?xt=urn:btih:" + "ab" * 20
COOKIE = 0x2112A442


class StunServer:
    """One that hears everything, and answers (RFC 8489) while it is `awake`."""

    def __init__(self, net: Net) -> None:
        self.awake = False
        self.loses_the_first = False
        """Whether the first datagram of everybody is lost on its way."""
        self.askers: set[Any] = set()
        with net.here.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((net.here.address, 0))
        self.address = f"{net.here.address}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            request, sender = self._socket.recvfrom(2048)
            if not request:
                return
            is_lost = self.loses_the_first and sender not in self.askers
            self.askers.add(sender)
            if self.awake and not is_lost and request[:2] == b"\0\1":
                self._socket.sendto(self._answer(request, sender[1]), sender)

    @staticmethod
    def _answer(request: bytes, port: int) -> bytes:
        (address,) = struct.unpack("!I", socket.inet_aton(SEEN_FROM_OUTSIDE))
        mapped = struct.pack("!HHBBHI", 0x20, 8, 0, 1, port ^ COOKIE >> 16, address ^ COOKIE)
        return b"\1\1" + struct.pack("!H", len(mapped)) + request[4:20] + mapped

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()


@pytest.fixture
def stun(net: Net) -> Iterator[StunServer]:
    server = StunServer(net)
    yield server
    server.close()


@dataclass
class Said:
    """What a tab has offered at its tracker, and how long after they were connected, in seconds."""

    took: float = 0.0
    offers: list[str] = field(default_factory=list)
    _opened: float = 0.0

    def listen(self, tab: Page) -> None:
        tab.on("websocket", self._follow)

    def _follow(self, web_socket: WebSocket) -> None:
        self._opened = time.monotonic()
        web_socket.on("framesent", self._hear)

    def _hear(self, frame: str | bytes) -> None:
        said: Any = json.loads(frame)
        offers = [offer["offer"]["sdp"] for offer in said.get("offers", [])]
        if offers and not self.offers:
            self.took = time.monotonic() - self._opened
        self.offers += offers


@pytest.fixture
def hosted(net: Net, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Host the page as somebody does who has set that STUN server; gives its address."""
    sites: list[Site] = []

    def host(stun_server: str) -> str:
        folder = tmp_path / f"site {len(sites)}"
        shutil.copytree(net.site.folder, folder)
        settings = json.loads((folder / "settings.json").read_text())
        (folder / "settings.json").write_text(json.dumps({**settings, "stun": stun_server}))
        sites.append(Site(net.there, folder))
        return sites[-1].url

    yield host
    for site in sites:
        site.close()


def opened(net: Net, url: str) -> tuple[Page, Said]:
    tab, said = net.context().new_page(), Said()
    said.listen(tab)
    tab.goto(url)
    return tab, said


@pytest.mark.long
def test_a_stun_server_that_is_silent_costs_a_page_one_second_and_its_memo_comes(
    net: Net,
    memocast: Callable[..., Memocast],
    hosted: Callable[[str], str],
    stun: StunServer,
    opus: Path,
) -> None:
    anna = net.user(memocast("anna"))
    link = anna.run("share", anna.add(opus, title=TITLE), "--page", net.site.url).out.strip()
    silent = {
        "does not answer": stun.address,
        "is behind a filter": "203.0.113.9:3478",
        "has no address": "stun.example:3478",
    }
    for name, address in silent.items():
        tab, said = opened(net, hosted(address) + "#" + link.partition("#")[2])
        wait_whole(tab, TITLE)
        # A promise of the contract, and the machine may be busy: 1 s for it, the rest for us to
        # hear of it. webtorrent.js by itself takes 5 s.
        assert said.took < 1 + 2.5, name
        tab.goto("about:blank")
    assert stun.askers


@pytest.mark.parametrize("lossy", [False, True])
def test_a_stun_server_that_answers_is_waited_for_and_what_it_says_is_offered(
    net: Net, hosted: Callable[[str], str], stun: StunServer, lossy: bool
) -> None:
    stun.awake, stun.loses_the_first = True, lossy
    tab, said = opened(net, f"{hosted(stun.address)}#{NOBODY}")
    wait_for("its offers", lambda: tab.title() and said.offers)
    assert [sdp for sdp in said.offers if f" {SEEN_FROM_OUTSIDE} " not in sdp] == []


@pytest.mark.full
def test_a_server_that_was_silent_is_left_alone_for_a_minute_and_then_tried_again(
    net: Net, hosted: Callable[[str], str], stun: StunServer
) -> None:
    context = net.context()
    context.clock.install()
    tab, said = context.new_page(), Said()
    said.listen(tab)
    tab.goto(f"{hosted(stun.address)}#{NOBODY}")

    def offered(seconds: int) -> str:
        """What is offered next, when this time has passed on its clock."""
        before = len(said.offers)
        tab.clock.run_for(1000 * seconds)
        wait_for("offers", lambda: tab.clock.run_for(100) or len(said.offers) > before)
        return "".join(said.offers[before:])

    assert " srflx " not in offered(0)
    askers = set(stun.askers)
    assert askers
    assert " srflx " not in offered(15)
    assert stun.askers == askers, "nobody else has asked"
    stun.awake = True
    wait_for("what it says", lambda: f" {SEEN_FROM_OUTSIDE} " in offered(15))
