"""Peers that come and die: some fetch a memo, most do what no good client would.

Each is a function of the world and of random numbers, and takes some tenths of a second. It raises
when a good client is not served.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import libtorrent as lt

from helpers.bare_session import bare_session
from helpers.raw_peer import BLOCK, EXTENDED, INTERESTED, PIECE, UNCHOKE, Wire
from helpers.repository import TESTS
from helpers.soak import bad_moods
from helpers.soak.clients import added
from helpers.waiting import wait_for

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from helpers.soak.world import World

_LINGERING = 20
"""Connections that are held open at most, of peers that say no more."""

_CLIENTS = 10
"""Sessions that are kept after they have left."""

_SECONDS = 30.0
"""In which a good client must have a memo."""

_PATIENCE = 3.0
_HANDSHAKE = b"\x13BitTorrent protocol"
_RESET = struct.pack("ii", 1, 0)


def client(world: World, chances: random.Random) -> None:
    """A good client fetches a memo, by TCP or uTP."""
    folder = tempfile.mkdtemp(dir=world.folder)
    by_utp = chances.random() < 0.3
    session = bare_session(
        listen_interfaces=f"{world.somewhere(chances)}:0",
        enable_outgoing_tcp=not by_utp,
        enable_outgoing_utp=by_utp,
    )
    handle = added(session, world.memos.any(chances).link, folder, peer=world.address)
    # libtorrent ends a session only once its former peers have confirmed that, by uTP.
    world.clients.append(session)
    try:
        wait_for("the memo", lambda: handle.status().is_seeding, _SECONDS)
    finally:
        session.remove_torrent(handle)
        shutil.rmtree(folder, ignore_errors=True)
        del world.clients[:-_CLIENTS]


def browser(world: World, chances: random.Random) -> None:
    """A WebRTC peer begins; every third will be killed. What became of others is looked at."""
    look_after_browsers(world)
    if world.web_tracker is None or world.browsers:  # they share an address: one at a time
        return
    folder = tempfile.mkdtemp(dir=world.folder)
    command = [sys.executable, "-m", "helpers.soak.browser_peer"]
    process = subprocess.Popen(
        [*command, world.memos.shared[0].link, folder],
        cwd=TESTS,
        stdin=subprocess.DEVNULL,
    )
    world.browsers.append((time.monotonic(), chances.random() < 1 / 3, process))


def look_after_browsers(world: World) -> None:
    """Kill those that are to die, and see that the others were served."""
    for begun, doomed, process in list(world.browsers):
        if doomed and time.monotonic() > begun + 1:
            process.kill()
            process.wait()
            world.browsers.clear()
        elif process.poll() is not None:
            world.browsers.clear()
            assert doomed or process.returncode == 0, "a browser did not get its memo"


def half_open(world: World, chances: random.Random) -> None:
    """Connects, and says nothing, or a part of the handshake."""
    connection = _connect(world, chances)
    connection.sendall(_HANDSHAKE[: chances.choice((0, 0, 1, 10, 20))])
    _linger(world, chances, connection)


def silent(world: World, chances: random.Random) -> None:
    """Shakes hands, and says nothing more."""
    wire = _greeted(world, chances)
    _linger(world, chances, wire._socket)


def dead_in_a_piece(world: World, chances: random.Random) -> None:
    """Dies with a half of a block read, as a client that is killed."""
    wire = _greeted(world, chances)
    ask(wire)
    wire._socket.recv(chances.randrange(1, BLOCK))
    _die(wire._socket, chances)


def ask(wire: Wire) -> None:
    """Ask for all of the first piece, and wait until the answer begins."""
    wire.introduce(None)
    wire.send(INTERESTED)
    assert any(kind == UNCHOKE for kind, _ in wire.messages()), "it was never unchoked"
    for offset in range(0, 4 * BLOCK, BLOCK):
        wire.request(0, offset, BLOCK)


def killed_fetch(world: World, chances: random.Random) -> None:
    """`memocast fetch`, killed at any moment."""
    folder = world.folder / "carla"
    carla = world.ben.with_(MEMOCAST_LIBRARY=str(folder))
    host, port = world.address
    process = carla.start(
        *("fetch", world.memos.any(chances).link, "--peer", f"{host}:{port}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # A moment that is not waited for: any.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chances.uniform(0.1, 1.0))
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def garbage_after_handshake(world: World, chances: random.Random) -> None:
    """Shakes hands, and goes on with what is no message, or one that is a lie."""
    wire = _greeted(world, chances)
    peers = bad_moods.strangers(chances.randrange(1, 3_000))
    pex = lt.bencode({b"added": peers, b"added.f": bytes(len(peers) // 6)})
    with contextlib.suppress(OSError):
        chances.choice(
            (
                lambda: wire._socket.sendall(secrets.token_bytes(chances.randrange(1, 30_000))),
                lambda: wire._socket.sendall(b"\xff\xff\xff\xff" + secrets.token_bytes(500)),
                lambda: wire._socket.sendall(b"\0\x10\0\0\x07" + secrets.token_bytes(9_000)),
                lambda: wire.send(chances.randrange(256), secrets.token_bytes(50)),
                lambda: wire.request(-1, -1, -1),
                lambda: wire.request(0, 0, 1 << 30),
                lambda: wire.send(PIECE, bytes(8) + secrets.token_bytes(BLOCK)),
                lambda: wire.send(EXTENDED, b"\0" + b"d1:m" + b"d" * 3_000),
                lambda: wire.send(EXTENDED, b"\0" + lt.bencode({b"metadata_size": 1 << 40})),
                lambda: (
                    wire.introduce(1 << 20),
                    [wire.send(EXTENDED, bytes([n]) + pex) for n in range(1, 6)],
                ),
                lambda: [wire.send(4, struct.pack(">I", n)) for n in range(2_000)],
            )
        )()
        _read_a_little(wire._socket)
    if chances.random() < 0.2:
        _linger(world, chances, wire._socket)
    else:
        _die(wire._socket, chances)


def garbage_instead(world: World, chances: random.Random) -> None:
    """Sends anything in place of a handshake: a scanner, a web browser, a broken client."""
    connection = _connect(world, chances)
    with contextlib.suppress(OSError):
        connection.sendall(
            chances.choice(
                (
                    secrets.token_bytes(chances.randrange(1, 5_000)),
                    b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
                    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + secrets.token_bytes(500),
                    _HANDSHAKE + bytes(8) + secrets.token_bytes(7),
                    bytes(100_000),
                )
            )
        )
        _read_a_little(connection)
    _die(connection, chances)


def wrong_torrent(world: World, chances: random.Random) -> None:
    """Asks for a torrent that was never shared."""
    with _wire(world, chances) as wire:
        assert not wire.greet(secrets.token_bytes(20))


def utp(world: World, chances: random.Random) -> None:
    """Begins uTP connections (BEP 29) and never goes on; and sends noise to the DHT."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((world.somewhere(chances), 0))
        for _ in range(chances.randrange(1, 10)):
            # ST_SYN in version 1; no extension, connection id, times, window, numbers.
            number = chances.randrange(1 << 16)
            syn = struct.pack(">BBHIIIHH", 0x41, 0, number, 1, 0, 1 << 20, 1, 0)
            sender.sendto(syn, world.address)
        sender.sendto(b"d1:ad2:id20:" + secrets.token_bytes(chances.randrange(60)), world.address)


def crowd(world: World, chances: random.Random) -> None:
    """Thirty connections of one machine at once, which all break at once."""
    there = world.somewhere(chances)
    connections = []
    with contextlib.suppress(OSError):
        for _ in range(30):
            connections.append(socket.create_connection(world.address, 5, (there, 0)))  # noqa: PERF401
    for connection in connections:
        _die(connection, chances)


KINDS: dict[str, Callable[[World, random.Random], None]] = {
    "client": client,
    "half-open": half_open,
    "silent": silent,
    "dead in a piece": dead_in_a_piece,
    "garbage after handshake": garbage_after_handshake,
    "garbage instead": garbage_instead,
    "wrong torrent": wrong_torrent,
    "utp": utp,
    "crowd": crowd,
    "killed fetch": killed_fetch,
    "browser": browser,
}


def _connect(world: World, chances: random.Random) -> socket.socket:
    """Connect; once the network is back, libtorrent closes its sockets for a moment."""

    def accepted() -> socket.socket | None:
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(world.address, 5, (world.somewhere(chances), 0))
        return None

    return wait_for("somebody who listens", accepted, _PATIENCE)


def _wire(world: World, chances: random.Random) -> Wire:
    return Wire(_connect(world, chances), _PATIENCE)


def _greeted(world: World, chances: random.Random) -> Wire:
    wire = _wire(world, chances)
    assert wire.greet(bytes.fromhex(world.memos.any(chances).info_hash)), "it shook no hands"
    return wire


def greeted(world: World, chances: random.Random) -> Wire:
    """A peer that has shaken hands."""
    return _greeted(world, chances)


def _read_a_little(connection: socket.socket) -> None:
    """Until it is closed, or has been silent for a twentieth of a second."""
    while select.select([connection], [], [], 0.05)[0] and connection.recv(1 << 16):
        pass


def _linger(world: World, chances: random.Random, connection: socket.socket) -> None:
    world.lingering.append(connection)
    while len(world.lingering) > _LINGERING:
        _die(world.lingering.pop(chances.randrange(len(world.lingering))), chances)


def _die(connection: Any, chances: random.Random) -> None:
    """End it: with a reset, as the kernel does for a process that had not read all, or politely."""
    if chances.random() < 0.5:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()
