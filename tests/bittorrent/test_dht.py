"""Signed items in the DHT: among libtorrent's nodes, and nodes that lie."""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.bounded_run import run
from helpers.dht_network import dht_nodes
from helpers.dht_node import KEY, SALT, SECONDS, SECRET, Node, said, told, version
from helpers.fake_internet import PUBLIC
from helpers.memocast_user import Memocast
from helpers.network_namespaces import Host, ip
from helpers.waiting import DEADLINE, wait_for
from memocast.bittorrent import dht
from memocast.bittorrent.krpc import Krpc
from memocast.errors import Refused
from memocast.formats import mutable_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memocast.formats.mutable_item import SignedItem

OTHER_PUBLIC = "8.8.4.4"


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[list[lt.session], list[dht.Address]]]:
    """Nodes of libtorrent's, and where they are."""
    sessions, addresses = dht_nodes(20)
    yield sessions, [(host, int(port)) for host, _, port in (a.partition(":") for a in addresses)]
    del sessions


def test_an_item_that_one_client_puts_is_found_by_another_from_any_node(
    nodes: tuple[list[lt.session], list[dht.Address]],
) -> None:
    _, addresses = nodes
    with dht.Dht() as client:
        nothing = client.get(KEY, SALT, addresses[:1], SECONDS)
        assert (nothing.item, nothing.holders) == (None, 0)
        assert len(nothing.closest) == dht.CLOSEST
        assert client.put(version(1), nothing, SECONDS) == dht.CLOSEST
    for address in addresses[::5]:
        with dht.Dht() as client:
            found = client.get(KEY, SALT, [address], SECONDS)
            assert (found.item, found.holders) == (version(1), dht.CLOSEST)
            # Who is not the owner can give it to them again, and nobody an older one.
            assert client.put(version(1), found, SECONDS) == dht.CLOSEST
            assert client.put(version(0), found, SECONDS) == 0
            forged = replace(version(2), signature=bytes(64))
            assert client.put(forged, found, SECONDS) == 0


def test_what_libtorrent_puts_is_found_and_what_is_put_is_found_by_libtorrent() -> None:
    # Nodes of its own: libtorrent waits a quarter of a minute for each client that has put
    # something and is gone.
    sessions, names = dht_nodes(10)
    addresses = [(host, int(port)) for host, _, port in (name.partition(":") for name in names)]
    seed = mutable_item.new_secret()
    digest = bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 63 | 64
    key = mutable_item.public_key(seed)
    sessions[3].dht_put_mutable_item(bytes(digest), key, b"by libtorrent", SALT)  # type: ignore[arg-type]

    def found() -> dht.Found | None:
        with dht.Dht() as client:
            looked = client.get(key, SALT, addresses[:1], SECONDS)
        return looked if looked.item else None

    by_libtorrent = wait_for("the item", found)
    assert by_libtorrent.item.value == lt.bencode(b"by libtorrent")
    with dht.Dht() as client:
        ours = version(by_libtorrent.item.seq + 1, seed, bytes(lt.bencode(b"by us")))
        again = client.get(key, SALT, addresses[:1], SECONDS)
        assert client.put(ours, again, SECONDS) == dht.CLOSEST
    sessions[7].pop_alerts()
    sessions[7].dht_get_mutable_item(key, SALT)  # type: ignore[arg-type]

    def told() -> bytes | None:
        for alert in sessions[7].pop_alerts():
            if isinstance(alert, lt.dht_mutable_item_alert) and alert.item:
                return bytes(alert.item)
        return None

    assert wait_for("libtorrent's answer", told) == b"by us"


STRANGER = mutable_item.new_secret()
LIES: dict[str, Callable[[dict[bytes, Any]], bytes]] = {
    "a signature of nothing": told(version(9), sig=bytes(64)),
    "a signature that is cut off": told(version(9), sig=bytes(63)),
    "a signature of another version": told(version(8), seq=9),
    "another value": told(version(9), v={b"ih": b"x" * 20}),
    "another key's item": told(version(9, STRANGER)),
    "another key's item as ours": told(version(9, STRANGER), k=KEY),
    "another salt's item": told(mutable_item.sign(SECRET, b"other", 9, dht.pointer("00" * 20))),
    "no sequence number": told(version(9), seq=None),
    "a sequence number that is a text": told(version(9), seq=b"9"),
    "a negative sequence number": told(version(9), seq=-9),
    "a value that is too large": told(version(9), v=b"x" * 2_000),
    "a value of lists in lists": told(version(9), v=[[[[[[[[[]]]]]]]]]),
    "nothing": lambda _: b"",
    "noise": lambda _: b"d" * 1_000,
    "an error": lambda query: bytes(
        lt.bencode({b"e": [201, b"no"], b"t": query[b"t"], b"y": b"e"})  # type: ignore[dict-item]
    ),
    "the answer to another question": lambda _: said({b"t": b"zzzz"}, k=KEY),
    "no id": lambda query: bytes(lt.bencode({b"r": {}, b"t": query[b"t"], b"y": b"r"})),
    "nodes without number": lambda query: said(query, nodes=bytes(range(256)) * 200),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_node_that_lies_is_not_believed_and_hides_nothing(lie: str) -> None:
    with Node(LIES[lie]) as liar, Node(told(version(3), id=b"h" * 20)) as honest:
        with dht.Dht() as client:
            found = client.get(KEY, SALT, [liar.address, honest.address], 2)
        assert found.item == version(3)
        assert liar.asked == 1
        assert found.holders <= 1


class Flood(Node):
    """A node that sends without end once it was asked, by a socket of its own or another."""

    def __init__(self, flood: Callable[[dict[bytes, Any]], bytes], *, elsewhere: bool) -> None:
        super().__init__(flood)
        self._other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._other.bind(("127.0.0.1", 0))
        self._sending = self._other if elsewhere else self._socket

    def __exit__(self, *failure: object) -> None:
        super().__exit__(*failure)
        self._other.close()

    def _serve(self) -> None:
        datagram, address = b"", ("", 0)
        while not self._ending.is_set():
            if not datagram or select.select([self._socket], [], [], 0)[0]:
                if not select.select([self._socket], [], [], 0.05)[0]:
                    continue
                query, address = self._socket.recvfrom(1 << 16)
                self.asked += 1
                datagram = self._answer(lt.bdecode(query))  # type: ignore[arg-type]
            with contextlib.suppress(OSError):  # nobody listens there any more
                self._sending.sendto(datagram, address)


def lists(query: dict[bytes, Any]) -> bytes:
    """A well-formed answer of 50 kB that takes some hundred times as much memory when decoded."""
    return b"d1:rl" + b"le" * 25_000 + b"e1:t4:" + query[b"t"] + b"1:y1:re"


FLOODS: dict[str, Callable[[dict[bytes, Any]], bytes]] = {
    "large answers": lists,
    "answers to other questions": lambda _: said({b"t": b"zzzz"}),
    "its answer, again and again": lambda query: said(query),
    "empty datagrams": lambda _: b"",
    "a version that is newer": told(version(9, STRANGER), k=KEY),
    "lists in lists": lambda _: b"l" * 1_000 + b"e" * 1_000,
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["itself", "from another address"])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_node_that_sends_without_end_hides_nobody(flood: str, elsewhere: bool) -> None:
    with (
        Flood(FLOODS[flood], elsewhere=elsewhere) as flooding,
        Node(told(version(3), id=b"h" * 20)) as honest,
        dht.Dht() as client,
    ):
        found = client.get(KEY, SALT, [flooding.address, honest.address], DEADLINE)
        assert found.item == version(3)
        assert client.put(version(3), found, DEADLINE) >= 1
        assert flooding.asked >= 1


def test_the_answer_to_a_question_counts_only_from_the_node_that_was_asked() -> None:
    """A stranger who guesses the number of a question does not answer it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind(("127.0.0.1", 0))
        asked.settimeout(DEADLINE)
        with Krpc() as krpc, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            number = krpc.ask(asked.getsockname(), b"get", {b"target": bytes(20)})
            query, asker = asked.recvfrom(1 << 16)
            answer = said(lt.bdecode(query))  # type: ignore[arg-type]
            stranger.sendto(answer, asker)
            assert krpc.settled(0.2) == []
            asked.sendto(answer, asker)
            (settled,) = krpc.settled(DEADLINE)
            assert (settled.number, settled.message) == (number, lt.bdecode(answer))
            asked.sendto(answer, asker)
            assert krpc.settled(0.2) == [], "a question is answered once"


@pytest.mark.parametrize(("size", "is_taken"), [(2_048, True), (2_049, False)])
def test_an_answer_has_a_largest_size(size: int, *, is_taken: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind(("127.0.0.1", 0))
        asked.settimeout(DEADLINE)
        with Krpc() as krpc:
            krpc.ask(asked.getsockname(), b"get", {b"target": bytes(20)})
            query, asker = asked.recvfrom(1 << 16)
            answer: Any = lt.bdecode(said(lt.bdecode(query)))  # type: ignore[arg-type]
            room = size - len(lt.bencode({**answer, b"z": bytes(1_000)}))
            asked.sendto(lt.bencode({**answer, b"z": bytes(1_000 + room)}), asker)
            small = said(lt.bdecode(query))  # type: ignore[arg-type]
            asked.sendto(small, asker)
            (settled,) = krpc.settled(DEADLINE) or krpc.settled(DEADLINE)
    assert settled.message
    assert (b"z" in settled.message) == is_taken


class SlowToConnect(socket.socket):
    """Before it is connected, strangers find its address."""

    def connect(self, to: object) -> None:
        for _ in range(16):  # the kernel gives some of them to another socket of that address
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for _ in range(4):
                    stranger.sendto(b"nonsense", self.getsockname())
        super().connect(to)  # type: ignore[arg-type]


def test_what_strangers_send_before_the_question_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Node(told(version(3), id=b"h" * 20)) as honest, Krpc() as krpc:
        monkeypatch.setattr(socket, "socket", SlowToConnect)
        number = krpc.ask(honest.address, b"get", {b"target": bytes(20)})
        monkeypatch.undo()
        (settled,) = krpc.settled(DEADLINE)
    assert settled.number == number
    assert settled.message


def test_a_question_to_a_port_where_nobody_is_is_given_up_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    with Krpc() as krpc:
        number = krpc.ask(address, b"get", {b"target": bytes(20)})
        (settled,) = krpc.settled(DEADLINE)
        assert (settled.number, settled.message) == (number, None)


@pytest.mark.parametrize("flood", [lists, FLOODS["its answer, again and again"]])
def test_sync_ends_and_stays_small_however_much_a_node_sends(
    flood: Callable[[dict[bytes, Any]], bytes], tmp_path: Path
) -> None:
    ben = Memocast(tmp_path / "ben", MEMOCAST_DHT="true")
    with Flood(flood, elsewhere=False) as node:
        bootstrap = ben.with_(MEMOCAST_DHT_BOOTSTRAP=f"127.0.0.1:{node.address[1]}")
        link = f"magnet:?xs=urn:btpk:{KEY.hex()}&s={SALT.hex()}"
        bootstrap.run("follow", link, expect=None)
        # It checks the memory of the command, and that it ends.
        looked = run(bootstrap, "sync", scratch=tmp_path)
        assert node.asked
    assert "was not found in the DHT" in looked.err


def test_of_several_versions_the_newest_counts() -> None:
    with (
        Node(told(version(4), id=b"a" * 20)) as one,
        Node(told(version(6), id=b"b" * 20)) as two,
        Node(told(version(5), id=b"c" * 20)) as three,
        dht.Dht() as client,
    ):
        found = client.get(KEY, SALT, [one.address, two.address, three.address], SECONDS)
    assert (found.item, found.holders) == (version(6), 1)


def test_nobody_is_waited_for_who_does_not_answer() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with Node(told(version(1))) as node, dht.Dht() as client:
            found = client.get(KEY, SALT, [silent.getsockname(), node.address], 10)
    assert found.item == version(1)
    with dht.Dht() as client:
        assert client.get(KEY, SALT, [], SECONDS).closest == ()


def compact(node: Node) -> bytes:
    """A node as others name it (BEP 5)."""
    host, port = node.address
    return hashlib.sha1(host.encode(), usedforsecurity=False).digest() + (
        socket.inet_aton(host) + port.to_bytes(2, "big")
    )


def test_a_node_on_the_internet_names_none_inside() -> None:
    host = Host("127.0.0.1")
    with contextlib.closing(host), host.entered():
        ip("link", "set", "lo", "up")
        for address in (PUBLIC, OTHER_PUBLIC):
            ip("address", "add", f"{address}/32", "dev", "lo")
        with Node(told(version(1)), OTHER_PUBLIC) as other, Node(told(version(2))) as inside:
            names = compact(inside) + compact(other)
            with (
                Node(lambda query: said(query, nodes=names), PUBLIC) as public,
                Node(lambda query: said(query, nodes=names)) as own,
                dht.Dht() as client,
            ):
                found = client.get(KEY, SALT, [public.address], SECONDS)
                assert (found.item, other.asked, inside.asked) == (version(1), 1, 0)
                # A node of the user's own network may.
                assert client.get(KEY, SALT, [own.address], SECONDS).item == version(2)


@pytest.mark.parametrize(
    "item",
    [
        replace(version(1), value=b"1000:" + b"x" * 1000),
        replace(version(1), salt=b"s" * 65),
        replace(version(1), key=b"short"),
        replace(version(1), seq=-1),
        replace(version(1), seq=2**63),
    ],
)
def test_an_item_that_bep_44_does_not_allow_is_refused(item: SignedItem) -> None:
    with pytest.raises(Refused):
        item.check()


@pytest.mark.parametrize("value", [b"i7e", b"le", b"d2:ih3:abce", b"de", b"4:text"])
def test_a_value_that_names_no_torrent_is_refused(value: bytes) -> None:
    with pytest.raises(Refused, match="names no feed"):
        dht.target_of(value)


def test_names_that_nobody_knows_are_no_nodes() -> None:
    assert dht.resolve(["127.0.0.1:6881"], SECONDS) == [("127.0.0.1", 6881)]
    assert dht.resolve([], SECONDS) == []
    assert dht.resolve(["no.such.host.invalid:6881"], 0.1) == []
