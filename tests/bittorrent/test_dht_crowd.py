"""A look-up in the DHT ends, whatever its nodes say of others."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from helpers.dht_node import KEY, SALT, Nodes, said
from helpers.waiting import DEADLINE
from memocast.bittorrent import dht
from memocast.formats import mutable_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Crowd(Nodes):
    """Nodes whose ids come ever closer to the item; each names the nodes that it is told to."""

    def __init__(self, count: int, named: Callable[[int], Iterable[int]]) -> None:
        super().__init__(count)
        self._named = named
        self.asked: list[int] = []

    def answer(self, number: int, query: dict[bytes, Any]) -> bytes:
        self.asked.append(number)
        nodes = b"".join(self._compact(other) for other in self._named(number))
        return said(query, id=self._id(number), nodes=nodes)

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
