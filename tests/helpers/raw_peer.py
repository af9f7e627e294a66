"""A BitTorrent peer of our own (BEP 3, 6, 9, 10), which says and sends what no real one would.

`RawPeer` serves any bytes as the metadata and the audio of any info-hash, to
whoever connects and to whom it dials. `Wire` is one connection; a test holds
one itself to ask a seeder for what it should not give.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import libtorrent as lt

if TYPE_CHECKING:
    from collections.abc import Iterator

Address = tuple[str, int]

BLOCK = 16_384
"""Bytes; nobody asks for more at a time, of audio (BEP 3) or of metadata (BEP 9)."""

CHOKE, UNCHOKE, INTERESTED, REQUEST, PIECE, HAVE_ALL, EXTENDED = 0, 1, 2, 6, 7, 14, 20
_PROTOCOL = b"\x13BitTorrent protocol"
# BEP 10 (extensions) and BEP 6 (which has HAVE_ALL: no need to know how many pieces).
_RESERVED = bytes([0, 0, 0, 0, 0, 0x10, 0, 0x04])
_HANDSHAKE = 68
_OUR_METADATA_ID = 2
_ASK, _DATA = 0, 1  # kinds of ut_metadata messages
_PATIENCE = 20.0


class Wire:
    """One connection. What it reads ends when the other side closes, or falls silent too long."""

    def __init__(self, connection: socket.socket, patience: float = _PATIENCE) -> None:
        self._socket = connection
        self._socket.settimeout(patience)
        self._their_metadata_id = 0
        self.metadata_size: int | None = None

    @classmethod
    def to(cls, peer: Address, source: str = "127.0.0.1", patience: float = _PATIENCE) -> Self:
        """Connect to a peer from the address `source`."""
        return cls(socket.create_connection(peer, timeout=5, source_address=(source, 0)), patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def greet(self, info_hash: bytes) -> bool:
        """Exchange handshakes; whether the other side has that torrent and speaks in plain text."""
        try:
            self._socket.sendall(_PROTOCOL + _RESERVED + info_hash + secrets.token_bytes(20))
            answer = self._exactly(_HANDSHAKE)
        except OSError:
            return False
        return answer.startswith(_PROTOCOL) and answer[28:48] == info_hash

    def send(self, kind: int, payload: bytes = b"") -> None:
        self._socket.sendall(struct.pack(">IB", len(payload) + 1, kind) + payload)

    def request(self, piece: int, offset: int, length: int) -> None:
        """Ask for audio. Numbers are sent as they are, negative ones as two's complement."""
        self.send(REQUEST, struct.pack(">III", *(n & 0xFFFFFFFF for n in (piece, offset, length))))

    def extend(self, number: int, message: dict[bytes, Any], rest: bytes = b"") -> None:
        """Send a message of an extension; number 0 is the extensions' own handshake."""
        self.send(EXTENDED, bytes([number]) + lt.bencode(message) + rest)

    def introduce(self, metadata_size: int | None) -> None:
        """Say that we speak ut_metadata, and how much of it we have."""
        message: dict[bytes, Any] = {b"m": {b"ut_metadata": _OUR_METADATA_ID}}
        if metadata_size is not None:
            message[b"metadata_size"] = metadata_size
        self.extend(0, message)

    def ask_metadata(self, piece: int) -> None:
        self.extend(self._their_metadata_id, {b"msg_type": _ASK, b"piece": piece})

    def send_metadata(self, metadata: bytes, piece: int, total: int) -> None:
        part = metadata[piece * BLOCK : (piece + 1) * BLOCK]
        message = {b"msg_type": _DATA, b"piece": piece, b"total_size": total}
        self.extend(self._their_metadata_id, message, part)

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """What the other side says, until it stops; its introduction is understood on the way."""
        with contextlib.suppress(OSError):
            while True:
                (length,) = struct.unpack(">I", self._exactly(4))
                if not length:
                    continue  # a sign of life
                body = self._exactly(length)
                if body[:2] == bytes([EXTENDED, 0]):
                    said: Any = lt.bdecode(body[2:])
                    self._their_metadata_id = said[b"m"].get(b"ut_metadata", 0)
                    self.metadata_size = said.get(b"metadata_size")
                yield body[0], body[1:]

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            part = self._socket.recv(count - len(content))
            if not part:
                raise ConnectionError
            content += part
        return content


@dataclass
class RawPeer:
    """A peer that has everything, listening at `address` while its block lasts.

    `metadata_size` is what it announces in place of the truth; with `corrupt`
    every block of audio is wrong. `blocks_sent` of audio and `metadata_sent`
    pieces are counted, and `accepted` counts the connections that shook hands.
    """

    info_hash: bytes
    metadata: bytes = b""
    audio: bytes = b""
    piece_length: int = BLOCK
    metadata_size: int | None = None
    corrupt: bool = False
    host: str = "127.0.0.2"
    blocks_sent: int = 0
    metadata_sent: int = 0
    accepted: int = 0
    _wires: list[Wire] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.host, 0))
        self.address = f"{self.host}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in self._wires:
            wire.close()
        for thread in self._threads:
            thread.join()

    def dial(self, *peer: Any) -> None:
        """Keep connecting to that host and port: quicker than to wait until it has found us."""
        self._start(self._dial, peer)

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(self._serve, Wire(self._listener.accept()[0]))

    def _dial(self, peer: Address) -> None:
        while not self._over.wait(0.01):
            with contextlib.suppress(OSError):
                self._serve(Wire.to(peer, self.host))

    def _serve(self, wire: Wire) -> None:
        self._wires.append(wire)
        with wire, contextlib.suppress(OSError):
            if self._over.is_set() or not wire.greet(self.info_hash):
                return
            self.accepted += 1
            announced = len(self.metadata) if self.metadata_size is None else self.metadata_size
            wire.introduce(announced)
            wire.send(HAVE_ALL)
            wire.send(UNCHOKE)
            for kind, payload in wire.messages():
                if kind == REQUEST:
                    self._send_block(wire, payload)
                elif kind == EXTENDED and payload[0] == _OUR_METADATA_ID:
                    asked: Any = lt.bdecode(payload[1:])
                    if asked[b"msg_type"] == _ASK:
                        wire.send_metadata(self.metadata, asked[b"piece"], announced)
                        self.metadata_sent += 1

    def _send_block(self, wire: Wire, request: bytes) -> None:
        piece, offset, length = struct.unpack(">III", request)
        start = piece * self.piece_length + offset
        block = self.audio[start : start + length].ljust(length, b"\0")
        if self.corrupt:
            block = bytes(byte ^ 0xFF for byte in block)
        self.blocks_sent += 1
        wire.send(PIECE, request[:8] + block)
