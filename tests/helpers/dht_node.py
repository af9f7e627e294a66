"""A DHT node that answers what a test tells it to, and signed items for it to tell."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import libtorrent as lt

from memocast.bittorrent import dht
from memocast.formats import mutable_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.formats.mutable_item import SignedItem

SALT = b"memocast"
SECONDS = 5.0
SECRET = mutable_item.new_secret()
KEY = mutable_item.public_key(SECRET)


def version(seq: int, secret: bytes = SECRET, value: bytes | None = None) -> SignedItem:
    """The item's version of that number, which names a page of that number."""
    return mutable_item.sign(secret, SALT, seq, value or dht.pointer(f"{seq:040x}"))


class Nodes:
    """Nodes of the test's own on one machine, each at a port of its own."""

    def __init__(self, count: int, host: str = "127.0.0.1") -> None:
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for one in self._sockets:
            one.bind((host, 0))
        self.addresses: list[dht.Address] = [one.getsockname() for one in self._sockets]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def answer(self, number: int, query: dict[bytes, Any]) -> bytes:
        """What the node of that number answers."""
        raise NotImplementedError  # abstract: each kind of nodes has its own

    def _serve(self) -> None:
        while not self._ending.is_set():
            for ready in select.select(self._sockets, [], [], 0.05)[0]:
                datagram, asker = ready.recvfrom(1 << 16)
                query: Any = lt.bdecode(datagram)
                ready.sendto(self.answer(self._sockets.index(ready), query), asker)


class Node(Nodes):
    """A node of the test's own, which answers everything with what it is told to."""

    def __init__(
        self, answer: Callable[[dict[bytes, Any]], bytes], host: str = "127.0.0.1"
    ) -> None:
        super().__init__(1, host)
        self._answer = answer
        (self._socket,) = self._sockets
        (self.address,) = self.addresses
        self.asked = 0

    def answer(self, _number: int, query: dict[bytes, Any]) -> bytes:
        self.asked += 1
        return self._answer(query)


def said(query: dict[bytes, Any], **fields: Any) -> bytes:
    """An answer to a query, with these fields."""
    values = {name.encode(): value for name, value in fields.items() if value is not None}
    answer: dict[bytes, Any] = {b"id": b"n" * 20, b"token": b"t", **values}
    return bytes(lt.bencode({b"r": answer, b"t": query[b"t"], b"y": b"r"}))


def told(item: SignedItem, **changes: Any) -> Callable[[dict[bytes, Any]], bytes]:
    """Answers with that item, some of its fields changed."""
    fields: dict[str, Any] = {
        "k": item.key,
        "seq": item.seq,
        "sig": item.signature,
        "v": lt.bdecode(item.value),
        **changes,
    }
    return lambda query: said(query, **fields)
