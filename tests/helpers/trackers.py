"""Small real BitTorrent trackers, in a thread of the test's own: HTTP (BEP 3, 23), UDP (BEP 15).

And one that is none.
"""

from __future__ import annotations

import contextlib
import http.server
import secrets
import socket
import socketserver
import struct
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from helpers.served_in_thread import ServedInThread

if TYPE_CHECKING:
    from collections.abc import Callable

Peer = tuple[str, int]

INTERVAL = 5
"""Seconds after which a client is to ask again."""

_CONNECT, _ANNOUNCE, _ERROR = 0, 1, 3  # actions of BEP 15
_STOPPED = 3  # an event of BEP 15
_MAGIC = 0x41727101980


class Tracker(ServedInThread):
    """What both kinds have in common: who takes part in which swarm.

    `url` is what goes into a link. The socket is bound when the object is made.
    """

    url: str

    def __init__(self, server: socketserver.BaseServer) -> None:
        super().__init__(server)
        self._lock = threading.Lock()
        self._swarms: dict[bytes, set[Peer]] = {}

    def announced(self, info_hash: str) -> set[Peer]:
        """Who takes part now. `info_hash` in hex; trackers know the first 20 bytes of it."""
        with self._lock:
            return set(self._swarms.get(bytes.fromhex(info_hash)[:20], ()))

    def take(self, info_hash: bytes, peer: Peer, *, stopped: bool) -> bytes:
        """Note an announce; return the other peers in the compact form."""
        with self._lock:
            swarm = self._swarms.setdefault(info_hash, set())
            swarm.discard(peer)
            others = sorted(swarm)
            if not stopped:
                swarm.add(peer)
        return b"".join(socket.inet_aton(host) + port.to_bytes(2) for host, port in others)


class HttpTracker(Tracker):
    """A tracker at http://ADDRESS:PORT/announce; with a `mood`, that answers in its place."""

    mood: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None

    def __init__(self, address: str = "127.0.0.1") -> None:
        tracker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if tracker.mood:
                    self.close_connection = True
                    with contextlib.suppress(OSError):  # the client has heard enough
                        tracker.mood(self)
                    return
                path, query_text = urlsplit(self.path)[2:4]
                if path != "/announce":
                    self.send_error(404)
                    return
                # Latin-1 keeps the bytes of the info-hash as they are.
                query = parse_qs(query_text, encoding="latin-1")
                peers = tracker.take(
                    query["info_hash"][0].encode("latin-1"),
                    (self.client_address[0], int(query["port"][0])),
                    stopped=query.get("event") == ["stopped"],
                )
                answer = b"d8:intervali%de5:peers%d:%se" % (INTERVAL, len(peers), peers)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever asked has left
                    self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Tests are told by `announced`."""

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # a swarm begins at once
            daemon_threads = True  # one that is in a bad mood may keep a client waiting

        server = Server((address, 0), Handler)
        super().__init__(server)
        self.url = f"http://{address}:{server.server_port}/announce"


class BadTracker(Tracker):
    """At http://…/announce something that sends these bytes, whatever it is asked.

    Without any it takes every connection and never says a word.
    """

    def __init__(self, answer: bytes = b"") -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the client has heard enough
                    self.request.recv(4096)
                    self.request.sendall(answer)
                    while not answer and self.request.recv(4096):
                        pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True  # a client may hang on after the test

        server = Server(("127.0.0.1", 0), Handler)
        super().__init__(server)
        self.url = f"http://127.0.0.1:{server.server_address[1]}/announce"

    @classmethod
    def saying(cls, status: str, body: bytes) -> Self:
        """One that answers every request over HTTP with that."""
        return cls(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


class UdpTracker(Tracker):
    """A tracker at udp://ADDRESS:PORT/announce; with a `mood`, that answers in its place.

    `asked` is the number of packets that came.
    """

    mood: Callable[[bytes], bytes] | None = None

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        tracker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                request, answering = self.request
                tracker.asked += 1
                mood = tracker.mood
                said = mood(request) if mood else tracker._answer(request, self.client_address)
                if said:
                    answering.sendto(said, self.client_address)

        server = socketserver.UDPServer((address, port), Handler)
        super().__init__(server)
        self.asked = 0
        self._connections: set[int] = set()
        self.url = f"udp://{address}:{server.server_address[1]}/announce"

    def _answer(self, request: bytes, sender: Any) -> bytes:
        connection, action, transaction = struct.unpack_from(">QII", request)
        if (connection, action) == (_MAGIC, _CONNECT):
            connection = secrets.randbits(64)
            self._connections.add(connection)
            return struct.pack(">IIQ", _CONNECT, transaction, connection)
        if connection not in self._connections or action != _ANNOUNCE:
            return struct.pack(">II", _ERROR, transaction) + b"connect first, then announce"
        # Peer id, sizes, address, key and number wanted lie between; a small tracker needs none.
        info_hash, event, port = struct.unpack_from(">20s44xI12xH", request, 16)
        peers = self.take(info_hash, (sender[0], port), stopped=event == _STOPPED)
        return struct.pack(">IIIII", _ANNOUNCE, transaction, INTERVAL, 0, len(peers) // 6) + peers


class CannedTracker(Tracker):
    """Something at http://ADDRESS:PORT/announce that sends the same bytes to everyone."""

    def __init__(self, answer: bytes, address: str = "127.0.0.1") -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65_536)
                self.request.sendall(answer)

        server = socketserver.ThreadingTCPServer((address, 0), Handler)
        super().__init__(server)
        self.url = f"http://{address}:{server.server_address[1]}/announce"
