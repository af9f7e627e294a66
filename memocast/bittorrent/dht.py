"""A DHT client (BEP 5) that looks up signed items (BEP 44) and republishes them.

libtorrent's binding can put an item only with its owner's private key; a
follower of a channel has the item but not the key. This client sends queries
and answers none.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from memocast.bittorrent.krpc import Address, Krpc
from memocast.errors import Refused
from memocast.formats import mutable_item
from memocast.formats.mutable_item import SignedItem
from memocast.network.public_addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOSEST = 8
"""The number of nodes that keep an item: those whose ids are closest to its target."""

_AT_ONCE = 8
_MOST_ASKED = 200
"""Nodes; a look-up among a million asks about thirty."""

_MOST_NAMED = 16
"""Nodes that one answer may name; BEP 5 has it name eight."""

_PATIENCE_SECONDS = 1.0
"""After this, other nodes are asked instead. A later answer still counts."""

_TURN_SECONDS = 0.1
_ID_BYTES = 20
_COMPACT_BYTES = 26


@dataclass(slots=True)
class _Node:
    address: Address
    id: bytes = b""
    token: bytes = b""
    asked_at: float = 0.0
    is_asked: bool = False
    has_answered: bool = False
    has_failed: bool = False
    seq: int = -1


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a look-up: the newest item, and the nodes that should have it.

    `holders` is the number of the closest nodes that have that version.
    """

    item: SignedItem | None
    closest: tuple[_Node, ...] = field(repr=False)
    holders: int

    @property
    def nodes(self) -> list[Address]:
        """The addresses to begin the next look-up with."""
        return [node.address for node in self.closest]


class Dht:
    """A read-only DHT client. `own` are addresses to send from, as in `Krpc`."""

    def __init__(self, own: Iterable[Address] = ()) -> None:
        self._krpc = Krpc(own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._krpc.__exit__(*failure)

    def get(self, key: bytes, salt: bytes, nodes: Iterable[Address], seconds: float) -> Found:
        """Look up the item of that key and salt, starting at these nodes, for at most `seconds`.

        Items without their owner's valid signature are ignored.
        """
        lookup = _Lookup(key, salt, nodes)
        deadline = time.monotonic() + seconds
        asked: dict[bytes, _Node] = {}
        while time.monotonic() < deadline:
            for node in lookup.to_ask(time.monotonic()):
                number = self._krpc.ask(node.address, b"get", {b"target": lookup.target})
                if number:
                    asked[number] = node
                else:
                    node.has_failed = True
            if lookup.is_done:
                break
            for answer in self._krpc.settled(_TURN_SECONDS):
                if node_asked := asked.pop(answer.number, None):
                    lookup.take(node_asked, answer.message or {})
        return lookup.found()

    def put(self, item: SignedItem, found: Found, seconds: float) -> int:
        """Put the item to the closest nodes that were found; return how many accepted it."""
        import libtorrent as lt

        asked: set[bytes | None] = set()
        for node in found.closest:
            said: dict[bytes, Any] = {
                b"k": item.key,
                b"seq": item.seq,
                b"sig": item.signature,
                b"token": node.token,
                b"v": lt.bdecode(item.value),
            }
            if item.salt:
                said[b"salt"] = item.salt
            asked.add(self._krpc.ask(node.address, b"put", said))
        asked.discard(None)
        taken = 0
        deadline = time.monotonic() + min(seconds, _PATIENCE_SECONDS)
        while asked and time.monotonic() < deadline:
            for answer in self._krpc.settled(_TURN_SECONDS):
                if answer.number in asked:
                    asked.remove(answer.number)
                    # An error has an `r` too.
                    taken += (answer.message or {}).get(b"y") == b"r"
        return taken


class _Lookup:
    """An iterative look-up: ask the closest nodes for closer ones until there are none."""

    def __init__(self, key: bytes, salt: bytes, nodes: Iterable[Address]) -> None:
        self.target = mutable_item.target(key, salt)
        self._key = key
        self._salt = salt
        self._nodes = {address: _Node(address) for address in nodes}
        self._item: SignedItem | None = None

    @property
    def is_done(self) -> bool:
        """Whether the closest nodes have answered and no answer is awaited."""
        return not self._waiting() and not self._next()

    def to_ask(self, moment: float) -> list[_Node]:
        """Return the nodes to ask now, and mark them as asked."""
        for node in self._waiting():
            node.has_failed = moment - node.asked_at > _PATIENCE_SECONDS
        wanted = self._next()[: max(0, _AT_ONCE - len(self._waiting()))]
        for node in wanted:
            node.is_asked, node.asked_at = True, moment
        return wanted

    def _waiting(self) -> list[_Node]:
        return [
            node
            for node in self._nodes.values()
            if node.is_asked and not node.has_answered and not node.has_failed
        ]

    def _next(self) -> list[_Node]:
        if sum(node.is_asked for node in self._nodes.values()) >= _MOST_ASKED:
            return []
        candidates = [node for node in self._nodes.values() if not node.has_failed]
        candidates.sort(key=self._distance)
        # Only the address of the starting nodes is known, so all of them are asked.
        unknown = [node for node in candidates if not node.id and not node.is_asked]
        return unknown + [node for node in candidates[:CLOSEST] if node.id and not node.is_asked]

    def _distance(self, node: _Node) -> int:
        if not node.id:
            return 1 << (8 * _ID_BYTES)
        return int.from_bytes(node.id, "big") ^ int.from_bytes(self.target, "big")

    def take(self, node: _Node, answer: dict[bytes, Any]) -> None:
        """Note a node's answer; an unusable one counts as none."""
        said = answer.get(b"r")
        node_id = said.get(b"id") if isinstance(said, dict) else None
        if (
            not isinstance(said, dict)
            or not isinstance(node_id, bytes)
            or len(node_id) != _ID_BYTES
        ):
            node.has_failed = True
            return
        node.has_answered, node.has_failed = True, False
        node.id = node_id
        token = said.get(b"token")
        node.token = token if isinstance(token, bytes) else b""
        nodes = said.get(b"nodes")
        may_be_inside = not _is_public(node.address)
        for address, found_id in _compact(nodes if isinstance(nodes, bytes) else b""):
            # Strangers on the Internet know no node of the user's own network.
            if not (may_be_inside or _is_public(address)):
                continue
            known = self._nodes.setdefault(address, _Node(address))
            known.id = known.id or found_id
        item = self._item_in(said)
        if item:
            node.seq = item.seq
            if self._item is None or item.seq > self._item.seq:
                self._item = item

    def _item_in(self, said: dict[bytes, Any]) -> SignedItem | None:
        import libtorrent as lt

        value, seq, signature = said.get(b"v"), said.get(b"seq"), said.get(b"sig")
        if value is None or said.get(b"k") != self._key or not isinstance(seq, int):
            return None
        if not isinstance(signature, bytes):
            return None
        try:
            return SignedItem(self._key, self._salt, seq, lt.bencode(value), signature).check()
        except Refused:
            return None

    def found(self) -> Found:
        """Return what was found so far."""
        answered = [node for node in self._nodes.values() if node.has_answered and node.token]
        closest = sorted(answered, key=self._distance)[:CLOSEST]
        seq = self._item.seq if self._item else None
        return Found(self._item, tuple(closest), sum(node.seq == seq for node in closest))


def _is_public(address: Address) -> bool:
    return is_public(ipaddress.ip_address(address[0]))


def pointer(info_hash: str) -> bytes:
    """Return the bencoded value of an item that names a torrent (BEP 46)."""
    import libtorrent as lt

    value: dict[bytes, Any] = {b"ih": bytes.fromhex(info_hash)}
    return bytes(lt.bencode(value))


def target_of(value: bytes) -> str:
    """Return the info-hash in such a value, in hex. Raises Refused when there is none."""
    import libtorrent as lt

    said: Any = lt.bdecode(value)
    info_hash = said.get(b"ih") if isinstance(said, dict) else None
    if not isinstance(info_hash, bytes) or len(info_hash) != _ID_BYTES:
        raise Refused("the channel's item names no feed", hint="tell the channel's owner")
    return info_hash.hex()


def resolve(names: Iterable[str], seconds: float) -> list[Address]:
    """Return the IPv4 addresses of nodes named `HOST:PORT`, without names that do not resolve."""
    from concurrent.futures import ThreadPoolExecutor, wait

    def resolve_one(name: str) -> list[Address]:
        host, _, port = name.rpartition(":")
        try:
            answers = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_DGRAM)
        except OSError:
            return []
        return [(str(answer[4][0]), int(answer[4][1])) for answer in answers]

    names = list(names)
    if not names:
        return []
    pool = ThreadPoolExecutor(len(names))
    asked = [pool.submit(resolve_one, name) for name in names]
    wait(asked, seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    return [address for answer in asked if answer.done() for address in answer.result()]


def _compact(nodes: bytes) -> list[tuple[Address, bytes]]:
    """Return the addresses and ids of the first nodes in compact node info (BEP 5)."""
    found = []
    end = min(len(nodes), _MOST_NAMED * _COMPACT_BYTES)
    for begin in range(0, end - _COMPACT_BYTES + 1, _COMPACT_BYTES):
        entry = nodes[begin : begin + _COMPACT_BYTES]
        port = int.from_bytes(entry[24:], "big")
        if port:
            found.append(((socket.inet_ntoa(entry[20:24]), port), entry[:_ID_BYTES]))
    return found
