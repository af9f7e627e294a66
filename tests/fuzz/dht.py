"""What DHT nodes and STUN servers answer, over real sockets on loopback where there is one."""

from __future__ import annotations

import functools
import socket
import time
from typing import Any

import libtorrent as lt

from fuzz import changes
from fuzz.harness import Harness, Target, by_bytes
from memocast.bittorrent import krpc, stun
from memocast.bittorrent.dht import CLOSEST, _Lookup, pointer, target_of
from memocast.formats import mutable_item

SECRET = bytes(range(32))
KEY = mutable_item.public_key(SECRET)
SALT = b"memocast"
_MOST_DATAGRAMS = 8
_SECONDS = 0.2


def datagrams(data: bytes) -> str:
    """What a node sends in answer to one query, datagram by datagram; `<t.>` is the query's."""
    node = _server()
    with krpc.Krpc([("127.0.0.1", 0)]) as client:
        number = client.ask(node.getsockname(), b"get", {b"target": bytes(20)})
        assert number is not None
        query, sender = node.recvfrom(1 << 16)
        asked: Any = lt.bdecode(query)
        assert asked[b"t"] == number
        sent = data.replace(b"<t.>", number).split(b"<next>")[:_MOST_DATAGRAMS]
        answers: list[krpc.Answer] = []
        for datagram in sent:
            node.sendto(datagram, sender)
            answers += client.settled(_SECONDS) if not answers else []
        if not answers:
            assert len(sent) < krpc._MOST_WRONG, "it waits for more after three that are wrong"
            return "waiting"
        (answer,) = answers
        assert answer.number == number
        if answer.message is None:
            return "given up"
        assert answer.message[b"t"] == number
        lookup = _Lookup(KEY, SALT, [node.getsockname()])
        (asked_node,) = lookup.to_ask(0.0)
        lookup.take(asked_node, answer.message)
        return "accepted"


def answers(data: bytes) -> str:
    """What nodes say in a look-up, one after another; `sign` has the owner sign their items."""
    try:
        said: Any = lt.bdecode(data)
    except RuntimeError:
        return "not bencoded"
    messages = said if isinstance(said, list) else [said]
    lookup = _Lookup(KEY, SALT, [(f"127.0.0.{last}", 6_881) for last in range(1, 4)])
    asked = 0
    for moment, message in enumerate(messages[:200]):
        for node in lookup.to_ask(moment * 2.0):
            asked += 1
            # As krpc hands it over.
            known = len(lookup._nodes)
            lookup.take(node, _signed(message) if isinstance(message, dict) else {})
            assert len(lookup._nodes) <= known + 16
    assert asked <= 200 + CLOSEST
    for host, port in lookup._nodes:
        assert socket.inet_ntoa(socket.inet_aton(host)) == host
        assert 0 < port < 65_536
    found = lookup.found()
    assert len(found.closest) <= CLOSEST
    assert found.holders <= len(found.closest)
    for node in found.closest:
        assert len(node.id) == 20
        assert isinstance(node.token, bytes)
    if found.item is None:
        return "without an item"
    check_item(found.item)
    return "accepted"


def pointed(data: bytes) -> str:
    """The value of an item that its owner signed, whatever it says."""
    info_hash = target_of(data)
    assert len(bytes.fromhex(info_hash)) == 20
    return "accepted"


def stun_answers(data: bytes) -> str:
    """What a STUN server sends in answer to one request; `<t>` is the request's number."""
    server = _server()
    host, port = server.getsockname()
    found = (socket.AF_INET, socket.SOCK_DGRAM, 0, "", (host, port))
    transaction = b"123456789012"
    with stun._Probe(transaction, *found) as probe:
        probe.send()
        _, sender = server.recvfrom(1 << 16)
        for datagram in data.replace(b"<t>", transaction).split(b"<next>")[:_MOST_DATAGRAMS]:
            if probe.is_over:
                break
            server.sendto(datagram, sender)
            (readable,) = stun._wait([probe], time.monotonic() + 5)
            is_right = (
                datagram[:2] == b"\1\1" and datagram[4:20] == b"\x21\x12\xa4\x42" + transaction
            )
            assert readable.is_answered() == is_right
            if is_right:
                assert probe.is_over
                return "accepted"
        return "given up" if probe.is_over else "waiting"


def _signed(message: dict[bytes, Any]) -> dict[bytes, Any]:
    said = message.get(b"r")
    if not isinstance(said, dict) or said.pop(b"sign", None) is None:
        return message
    seq = said.get(b"seq")
    value = bytes(lt.bencode(said.get(b"v", b"")))
    if isinstance(seq, int) and len(value) <= 1_100:
        part = mutable_item._signed_part(SALT, seq, value)
        said[b"sig"] = mutable_item._private(SECRET).sign(part)
        said[b"k"] = KEY
    return message


def check_item(item: mutable_item.SignedItem) -> None:
    """It is within the bounds of BEP 44, and its owner's."""
    assert item.check() is item
    assert (item.key, item.salt) == (KEY, SALT)
    assert len(item.value) <= 999
    assert 0 <= item.seq <= 2**63 - 1
    decoded: Any = lt.bdecode(item.value)  # as 'put' does
    assert bytes(lt.bencode(decoded)) == item.value


@functools.cache
def _server() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(5)
    return made


# -- inputs --------------------------------------------------------------------------

_VALUE = pointer("ab" * 20)
_ITEM: dict[bytes, Any] = {
    b"id": b"i" * 20,
    b"token": b"token",
    b"nodes": (b"n" * 20 + b"\x7f\0\0\7\x1a\xe1") * 3,
    b"k": KEY,
    b"seq": 4,
    b"v": lt.bdecode(_VALUE),
    b"sig": mutable_item.sign(SECRET, SALT, 4, _VALUE).signature,
}
_ANSWER: dict[bytes, Any] = {b"r": _ITEM, b"t": b"<t.>", b"y": b"r"}


def _with(**changes: Any) -> dict[bytes, Any]:
    return {**_ANSWER, b"r": {**_ITEM, **{name.encode(): value for name, value in changes.items()}}}


def messages() -> list[Any]:
    """Answers: of nodes that know the item, that know others, and that lie."""
    return [
        _ANSWER,
        _with(sign=1, seq=5, v=[b"x", {b"ih": 7}]),
        _with(sign=1, seq=2**63 - 1, v=b"x" * 900),
        _with(sign=1, seq=-1),
        _with(sign=1, v=b"x" * 997),
        _with(sig=b"x" * 64),
        _with(sig=b""),
        _with(k=b"x" * 32),
        _with(seq=b"4"),
        _with(nodes=bytes(range(256)) * 3),
        _with(nodes=b"short", token=7),
        _with(id=b"x"),
        {b"r": {b"id": b"j" * 20, b"token": b"", b"nodes": b""}, b"t": b"<t.>", b"y": b"r"},
        {b"e": [201, b"A Generic Error Ocurred"], b"t": b"<t.>", b"y": b"e"},
        {b"r": [], b"t": b"<t.>"},
        {b"t": b"<t.>"},
    ]


def datagram_seeds() -> list[bytes]:
    """Datagrams, and several of them."""
    each = [bytes(lt.bencode(message)) for message in messages()]
    return [
        *each,
        b"d1:t4:<t.>1:y1:re",
        b"<next>".join([b"", b"x", each[0]]),
        b"<next>".join([b"de", b"le", b"i7e", each[0]]),
        each[0].replace(b"<t.>", b"nope") + b"<next>" + each[0],
        each[0] + b" " * 2_048,
    ]


def answer_seeds() -> list[bytes]:
    """One answer, all of them, and the same again and again."""
    each = messages()
    said: list[Any] = [*([message] for message in each), each, each[:1] * 8, each[9:10] * 8]
    return [bytes(lt.bencode(messages)) for messages in said]


def value_seeds() -> list[bytes]:
    """Values of items."""
    said: list[Any] = [{b"ih": b"x" * 20}, {b"ih": b"x"}, {b"ih": 7}, {}, [], 7, b"x", {b"ih": []}]
    return [bytes(lt.bencode(value)) for value in said]


def as_signed(data: bytes) -> bytes:
    """Bencode it as an item's value is when its signature has been checked."""
    try:
        decoded: Any = lt.bdecode(data)
    except RuntimeError:
        decoded = data
    return bytes(lt.bencode(decoded))


_RIGHT = b"\1\1\0\0\x21\x12\xa4\x42<t>"

HARNESS = Harness(
    {
        "datagrams": Target(datagrams, datagram_seeds, changes.bencoded),
        "answers": Target(answers, answer_seeds, changes.bencoded),
        "value": Target(lambda data: pointed(as_signed(data)), value_seeds, changes.bencoded),
        "stun": Target(
            stun_answers,
            lambda: [
                _RIGHT,
                _RIGHT + bytes(50),
                b"\1\x11" + _RIGHT[2:],
                _RIGHT[:10],
                b"<next>".join([b"", b"x", _RIGHT]),
                b"<next>".join([b"x"] * 20),
                b"",
            ],
            changes.one_of(by_bytes, changes.in_lines),
        ),
    },
    codes=frozenset({7}),
    tokens=("<next>", "<t.>", "1:r", "1:t", "2:id20:", "5:nodes", "5:token", "3:seq", "3:sig64:"),
)
