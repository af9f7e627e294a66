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


class Node:
    """A node of the test's own, which answers everything with what it is told to."""

    def __init__(
        self, answer: Callable[[dict[bytes, Any]], bytes], host: str = "127.0.0.1"
    ) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.address: dht.Address = self._socket.getsockname()
        self.asked = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._ending.is_set():
            if select.select([self._socket], [], [], 0.05)[0]:
                datagram, address = self._socket.recvfrom(1 << 16)
                self.asked += 1
                self._socket.sendto(self._answer(lt.bdecode(datagram)), address)  # type: ignore[arg-type]


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
