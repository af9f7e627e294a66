"""STUN servers that answer, are silent, refuse, lie or cannot be found, and come and go."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import libtorrent as lt
import pytest

from helpers.full_or_short import scaled
from helpers.listening_page import wait_whole
from helpers.network_namespaces import ip, two_hosts
from helpers.shared_memo import assert_same_memo
from helpers.waiting import DEADLINE, wait_for
from helpers.web_tracker import WEB, WebTracker
from memocast.bittorrent import stun
from memocast.bittorrent.webrtc_session import WebRtcSession
from memocast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from helpers.browser import Net
    from helpers.memocast_user import Memocast, Result
    from helpers.network_namespaces import Host

ERROR = 0x0111
SUCCESS = 0x0101


def answer(request: bytes, asker: tuple[Any, ...], kind: int = SUCCESS) -> bytes:
    """A Binding response (RFC 8489) that names the asker's address."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in asker[0] else socket.AF_INET, asker[0])
    seen = bytes(a ^ b for a, b in zip(packed, request[4:20], strict=False))
    family = 1 if len(packed) == 4 else 2
    mapped = struct.pack(">HHBBH", 0x20, 4 + len(seen), 0, family, asker[1] ^ 0x2112) + seen
    return struct.pack(">HH", kind, len(mapped)) + request[4:20] + mapped


class StunServer:
    """Answers each request with what `reply` makes of it and its sender; None is silence."""

    def __init__(
        self,
        reply: Callable[[bytes, tuple[Any, ...]], bytes | None] = answer,
        address: str = "127.0.0.1",
        host: Host | None = None,
        port: int = 0,
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with host.entered() if host else contextlib.nullcontext():
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.bind((address, port))
        self.reply = reply
        self.port = self._socket.getsockname()[1]
        self.name = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.askers: set[Any] = set()
        """Who has asked: each offer of libtorrent's has an address of its own."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            request, asker = self._socket.recvfrom(2000)
            if not request:
                return
            self.askers.add(asker)
            said = self.reply(request, asker)
            if said:
                self.send(said, asker)

    def send(self, content: bytes, to: Any) -> None:
        """Say that, if there is anybody to say it to."""
        with contextlib.suppress(OSError):
            self._socket.sendto(content, to)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send(b"", self._socket.getsockname())
        self._thread.join(DEADLINE)
        self._socket.close()


def silence(_: bytes, __: tuple[Any, ...]) -> None:
    """A server behind a firewall that drops what is sent to it."""


def closed_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- one question ------------------------------------------------------------------------


def test_the_address_that_answers_is_what_libtorrent_is_told() -> None:
    with StunServer() as server:
        url = f"stun:127.0.0.1:{server.port}"
        assert stun.Server(server.name).ask(5) == url
        assert stun.Server(f"localhost:{server.port}").ask(5) == url
    with StunServer(address="::1") as server:
        assert stun.Server(server.name).ask(5) == f"stun:%3A%3A1:{server.port}"


LIES: dict[str, Callable[[bytes, tuple[Any, ...]], bytes]] = {
    "an error": lambda request, asker: answer(request, asker, ERROR),
    "another transaction": lambda request, asker: answer(request[:8] + bytes(12), asker),
    "no STUN": lambda request, asker: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "the request": lambda request, asker: request,
    "nearly nothing": lambda request, asker: b"\x01",
}


@pytest.mark.parametrize("name", LIES)
def test_what_is_no_answer_is_none(name: str) -> None:
    with StunServer(LIES[name]) as server:
        assert not stun.answers(server.name, 0.3)


def test_an_answer_from_another_address_is_none() -> None:
    with StunServer() as other:

        def spoofed(request: bytes, asker: tuple[Any, ...]) -> None:
            other.send(answer(request, asker), asker)

        with StunServer(spoofed) as server:
            assert not stun.answers(server.name, 0.3)


def test_datagrams_without_end_end_a_question() -> None:
    stopped = threading.Event()

    def flood(request: bytes, asker: tuple[Any, ...]) -> None:
        while not stopped.is_set():
            server.send(b"\x01\x01" + bytes(18), asker)

    with StunServer(flood) as server:
        try:
            begun = time.monotonic()
            assert not stun.answers(server.name, 60)
            assert time.monotonic() - begun < 30, "it did not wait for the clock"
        finally:
            stopped.set()


def test_one_that_refuses_is_not_waited_for() -> None:
    begun = time.monotonic()
    assert not stun.answers(f"127.0.0.1:{closed_port()}", 60)
    assert not stun.answers("no.such.host.invalid:3478", 60)
    assert time.monotonic() - begun < 30


# -- again and again ---------------------------------------------------------------------


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are asked again at once."""
    monkeypatch.setattr(stun, "_AGAIN_SECONDS", 0.1)


@pytest.mark.usefixtures("often")
def test_a_server_that_is_slow_to_answer_is_used_when_it_has() -> None:
    def slowly(request: bytes, asker: tuple[Any, ...]) -> None:
        said = answer(request, asker)
        threading.Timer(0.3, lambda: server.send(said, asker)).start()

    with StunServer(slowly) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stun, "FIRST_SECONDS", 0.1)
        watch = stun.Watch(server.name)
        wait_for("the first verdict", lambda: watch.url is not None)
        assert watch.url == ""
        wait_for("the slow answer", lambda: watch.url)
        watch.close()


@pytest.mark.usefixtures("often")
def test_a_server_that_goes_and_comes_back_is_known_to() -> None:
    with StunServer() as server:
        watch = stun.Watch(server.name)
        wait_for("its answer", lambda: watch.url)
        server.reply = silence
        wait_for("its silence", lambda: watch.url == "")
        server.reply = answer
        wait_for("its return", lambda: watch.url)
        watch.close()


# -- WebRTC ------------------------------------------------------------------------------


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two machines with a cable, and addresses of both kinds: `fd00::1` and `fd00::2`."""
    if not (shutil.which("node") and (WEB / "node_modules").exists()):
        pytest.skip("NOT INSTALLED: node, and the npm packages of tests/web; see .ci/browser")
    with two_hosts() as (here, there):
        for number, host in enumerate((here, there), 1):
            with host.entered():
                ip("address", "add", f"fd00::{number}/64", "dev", "veth", "nodad")
        there.route_by(here)
        yield here, there


@pytest.fixture
def tracker(hosts: tuple[Host, Host]) -> Iterator[WebTracker]:
    found = WebTracker(hosts[0])
    yield found
    found.close()


@pytest.mark.usefixtures("often")
def test_offers_are_made_anew_without_a_server_that_became_silent_and_with_it_when_it_is_back(
    hosts: tuple[Host, Host], tracker: WebTracker, tmp_path: Path
) -> None:
    here, _ = hosts
    key, torrent = a_torrent(tmp_path)
    with StunServer(address=here.address, host=here) as server:
        with here.entered():
            swarm = WebRtcSession(Settings(stun_server=server.name))

        def polled(probe: Callable[[], Any]) -> Callable[[], Any]:
            return lambda: swarm.poll(0.01) is not None and probe()

        def told() -> int:
            return sum(line.endswith(key) for line in tracker.heard)

        try:
            swarm.seed(key, torrent, str(tmp_path / "sound"), [tracker.url])
            wait_for("offers", polled(told))
            wait_for("each to have asked", polled(lambda: len(server.askers) > 10))
            assert swarm.stun_answers is True
            asked, before = len(server.askers), told()
            server.reply = silence
            swarm.announce_again(key)
            wait_for("offers that get stuck", polled(lambda: len(server.askers) > asked + 9))
            wait_for("offers without it", polled(lambda: told() > before))
            assert swarm.stun_answers is False
            before = told()
            swarm.announce_again(key)
            wait_for("more of them", polled(lambda: told() > before))
            asked, before = len(server.askers), told()
            server.reply = answer
            wait_for("offers with it", polled(lambda: told() > before))
            wait_for("each to have asked", polled(lambda: len(server.askers) > asked + 10))
        finally:
            swarm.close()


def a_torrent(folder: Path) -> tuple[str, bytes]:
    """Of a file named `sound` there: its info-hash, and what its .torrent file holds."""
    (folder / "sound").write_bytes(bytes(range(256)) * 100)
    made = lt.create_torrent(lt.list_files(str(folder / "sound")), 0, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, str(folder))
    content = lt.bencode(made.generate())
    return str(lt.load_torrent_buffer(content).info_hashes.v1), content


@pytest.fixture
def servers(hosts: tuple[Host, Host]) -> Iterator[dict[str, StunServer]]:
    """STUN servers on the first machine, and a name server that never says anything."""
    here, _ = hosts
    with (
        StunServer(address=here.address, host=here) as ipv4,
        StunServer(address="fd00::1", host=here) as ipv6,
        StunServer(silence, address=here.address, host=here) as silent,
        StunServer(silence, address=here.address, host=here, port=53),
    ):
        yield {"ipv4": ipv4, "ipv6": ipv6, "silent": silent}


@pytest.fixture
def anna(
    hosts: tuple[Host, Host], tracker: WebTracker, memocast: Callable[..., Memocast]
) -> Memocast:
    return on_host(memocast("anna"), hosts[0], tracker)


@pytest.fixture
def ben(
    hosts: tuple[Host, Host], tracker: WebTracker, memocast: Callable[..., Memocast]
) -> Memocast:
    return on_host(memocast("ben"), hosts[1], tracker)


def on_host(user: Memocast, host: Host, tracker: WebTracker) -> Memocast:
    user.host = host
    user.environment |= {
        "MEMOCAST_LISTEN": f"{host.address}:0",
        "MEMOCAST_TRACKERS": tracker.url,
    }
    return user


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    ["10.73.0.1:{silent}", "10.73.0.1:9", "203.0.113.1:3478", "stun.lost.example:3478"][
        : scaled(4, 1)
    ],
)
def test_a_memo_travels_by_webrtc_without_a_stun_server_that_answers(
    servers: dict[str, StunServer],
    anna: Memocast,
    ben: Memocast,
    opus: Path,
    tmp_path: Path,
    name: str,
) -> None:
    name = name.format(silent=servers["silent"].port)
    for user in (anna, ben):
        user.environment["MEMOCAST_STUN_SERVER"] = name
    memo = anna.add(opus)
    link = looking_up(anna, tmp_path, "share", memo).out.strip()
    # The old way nothing came, however long one waited.
    copy = looking_up(ben, tmp_path, "fetch", link, "--timeout", "15").out.strip()
    assert_same_memo(anna, memo, ben, copy)
    assert anna.seeder()["web"]["stun_answers"] is False
    assert "browsers: the STUN server does not answer" in anna.run("status").out


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    ["two.example:{ipv4}", "10.73.0.1:{ipv4}", "[fd00::1]:{ipv6}", "nodot:{ipv4}"][: scaled(4, 1)],
)
def test_libtorrent_asks_a_stun_server_that_answers_whatever_it_is_called(
    servers: dict[str, StunServer],
    tracker: WebTracker,
    anna: Memocast,
    opus: Path,
    tmp_path: Path,
    name: str,
) -> None:
    used = servers["ipv6" if "ipv6" in name else "ipv4"]
    ports = {key: server.port for key, server in servers.items()}
    anna.environment["MEMOCAST_STUN_SERVER"] = name.format(**ports)
    memo = anna.add(opus)
    looking_up(anna, tmp_path, "share", memo)
    info_hash = anna.show(memo)["info_hash"]
    wait_for("the announce", lambda: tracker.announced(info_hash))
    assert len(used.askers) > 10, "ourselves, and each offer"
    wait_for("the report", lambda: anna.seeder()["web"]["stun_answers"])
    assert "STUN" not in anna.run("status").out


def test_doctor_says_of_a_stun_server_that_it_cannot_be_looked_up(
    servers: dict[str, StunServer], anna: Memocast, tmp_path: Path
) -> None:
    anna.environment["MEMOCAST_STUN_SERVER"] = "stun.lost.example:3478"
    command = ("doctor", "--json")
    findings = looking_up(anna, tmp_path, *command, expect=1).json
    found = next(found for found in findings if found["check"] == "browsers")
    assert "stun.lost.example:3478 does not answer" in found["detail"]


def looking_up(user: Memocast, folder: Path, *command: str, expect: int = 0) -> Result:
    """Run a command that looks names up in a file first, and then asks a silent name server."""
    (folder / "hosts").write_text("10.73.0.1 nodot\nfd00::1 two.example\n10.73.0.1 two.example\n")
    (folder / "resolv.conf").write_text("nameserver 10.73.0.1\noptions timeout:30 attempts:5\n")
    mounted = " && ".join(
        f"mount --bind {shlex.quote(str(folder / name))} /etc/{name}"
        for name in ("hosts", "resolv.conf")
    )
    run = shlex.join([sys.executable, "-m", "memocast", *command])
    return user.shell(f"exec unshare -m sh -c {shlex.quote(f'{mounted} && exec {run}')}", expect)


@pytest.mark.long
def test_a_browser_hears_a_sender_whose_stun_server_is_silent(
    net: Net, memocast: Callable[..., Memocast], opus: Path
) -> None:
    with StunServer(silence, address=net.here.address, host=net.here) as server:
        anna = net.user(memocast("anna", MEMOCAST_STUN_SERVER=server.name))
        memo = anna.add(opus, title="Without STUN")
        link = anna.run("share", memo, "--page", net.site.url).out.strip()
        wait_whole(net.visit(link), "Without STUN")
        anna.stop()
