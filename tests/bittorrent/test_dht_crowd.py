"""A look-up in the DHT ends, whatever its nodes say of others."""

from __future__ import annotations

import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import libtorrent as lt

from helpers.dht_node import KEY, SALT, said
from helpers.waiting import DEADLINE
from memocast.bittorrent import dht
from memocast.formats import mutable_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Crowd:
    """Nodes whose ids come ever closer to the item; each names the nodes that it is told to."""

    def __init__(self, count: int, named: Callable[[int], Iterable[int]]) -> None:
        self._named = named
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        for one in self._sockets:
            one.bind(("127.0.0.1", 0))
        self.addresses: list[dht.Address] = [one.getsockname() for one in self._sockets]
        self.asked: list[int] = []
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

    def _serve(self) -> None:
        while not self._ending.is_set():
            for ready in select.select(self._sockets, [], [], 0.05)[0]:
                number = self._sockets.index(ready)
                datagram, asker = ready.recvfrom(1 << 16)
                self.asked.append(number)
                query: Any = lt.bdecode(datagram)
                nodes = b"".join(self._compact(other) for other in self._named(number))
                ready.sendto(said(query, id=self._id(number), nodes=nodes), asker)

    def _compact(self, number: int) -> bytes:
        host, port = self.addresses[number]
        return self._id(number) + socket.inet_aton(host) + port.to_bytes(2)

    @staticmethod
    def _id(number: int) -> bytes:
        target = int.from_bytes(mutable_item.target(KEY, SALT))
        return (target ^ ((1 << 100) - number)).to_bytes(20)


def look_up(crowd: Crowd) -> None:
    with dht.Dht() as client:
        assert client.get(KEY, SALT, crowd.addresses[:1], DEADLINE).item is None


def test_nodes_that_name_ever_closer_ones_are_asked_up_to_a_number() -> None:
    count = 230
    with Crowd(count, lambda number: range(number + 1, min(number + 2, count))) as crowd:
        look_up(crowd)
    assert len(crowd.asked) == 200


def test_of_the_nodes_that_an_answer_names_the_first_sixteen_count() -> None:
    with Crowd(18, lambda number: range(1, 18) if not number else []) as crowd:
        look_up(crowd)
    assert 16 in crowd.asked, "the closest of the first sixteen"
    assert 17 not in crowd.asked, "though it would be the closest of all"
