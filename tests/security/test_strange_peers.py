"""Strange peers: who sends corrupt audio is banned, and the seeder gives nothing but its shares."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest

from helpers.hostile.check import victim
from helpers.processes import running
from helpers.raw_peer import BLOCK, CHOKE, EXTENDED, INTERESTED, PIECE, UNCHOKE, RawPeer, Wire
from helpers.shared_memo import address_of, info_hash
from helpers.trackers import HttpTracker
from helpers.waiting import wait_for
from memocast.formats.torrent import make, piece_length
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from helpers.memocast_user import Memocast
    from helpers.raw_peer import Address

NEVER = 2**31 - 1
"""An index, offset or length that no memo has."""


def metadata_of(user: Memocast, memo: str) -> bytes:
    """The info dictionary of a memo that the user has shared."""
    library = Library(user.library)
    share = library.shares.of(library.get(memo))[0]
    library.close()
    return lt.load_torrent_buffer(share.torrent.content).ti.info_section()


def test_a_peer_that_sends_corrupt_pieces_is_banned_and_the_memo_comes_from_another(
    memocast: Callable[..., Memocast], speech: Path, tmp_path: Path
) -> None:
    with HttpTracker() as tracker:
        anna = memocast("anna", MEMOCAST_TRACKERS=tracker.url)
        ben, listener = victim(tmp_path)
        memo = anna.add(speech)
        link = anna.run("share", memo, "--no-seed").out.strip()
        content = speech.read_bytes()
        liar = RawPeer(
            bytes.fromhex(info_hash(link)), metadata_of(anna, memo), content, corrupt=True
        )
        with liar, running(ben.start("fetch", link, "--timeout", "30")) as fetch:
            liar.dial(*listener)
            # The liar is the only one there: Ben takes the metadata and whole pieces from it.
            wait_for("corrupt blocks", lambda: liar.blocks_sent)
            wait_for("Ben at the tracker", lambda: tracker.announced(info_hash(link)))
            anna.run("seed", "--background")
            out, err = fetch.communicate(timeout=60)
            assert fetch.returncode == 0, err
            # It never stopped dialling, and was let in three times at most: a ban holds for
            # the port that it came from, and only the third for its address.
            assert liar.metadata_sent == 1
            assert 1 <= liar.accepted <= 3
    assert ben.audio(out.strip()).read_bytes() == content


# -- what a seeder gives ------------------------------------------------------------


@pytest.fixture
def shared(anna: Memocast, opus: Path, flac: Path) -> str:
    """Anna seeds one memo, and keeps another to herself; the id of the first."""
    memo = anna.add(opus, title="Shared")
    anna.add(flac, title="Private")
    anna.run("share", memo)
    return memo


@pytest.fixture
def seeder(anna: Memocast, shared: str) -> Address:
    """Where Anna's seeder listens, once it offers what she shared."""
    address = wait_for("the seeder", lambda: anna.seeder() and address_of(anna))
    host, _, port = address.rpartition(":")
    digest = bytes.fromhex(anna.show(shared)["info_hash"])
    wait_for("the memo on offer", lambda: greeted((host, int(port)), digest))
    return host, int(port)


def greeted(seeder: Address, digest: bytes) -> bool:
    """Whether the seeder takes part in that torrent."""
    with Wire.to(seeder) as wire:
        return wire.greet(digest)


def in_libraries_words(user: Memocast, path: Path) -> str:
    """The info-hash that memocast would give a memo whose audio is that file."""
    library = Library(user.library)
    size = path.stat().st_size
    memo = replace(library.get("latest"), size=size, title=path.stem, format=path.suffix[1:])
    library.close()
    return make(memo, path).info_hash


def in_others_words(path: Path) -> str:
    """The info-hash that another client would give that file."""
    entry = lt.create_file_entry(path.name, path.stat().st_size)
    creator = lt.create_torrent(
        [entry], piece_length(path.stat().st_size), lt.create_torrent.v1_only
    )
    lt.set_piece_hashes(creator, str(path.parent), lambda _: None)
    document: Any = creator.generate()
    return hashlib.sha1(lt.bencode(document[b"info"])).hexdigest()


def test_a_seeder_has_no_ear_for_what_was_never_shared(
    anna: Memocast, ben: Memocast, shared: str, seeder: Address
) -> None:
    library = Library(anna.library)
    private = library.get("latest")
    secret = library.path(private)
    hashes = [make(private, secret).info_hash]
    library.close()
    assert private.title == "Private"
    for path in (secret, anna.library / "library.db", Path("/etc/passwd")):
        hashes += [in_libraries_words(anna, path), in_others_words(path)]
    hashes += ["00" * 20, "ff" * 20, b"../../../etc/passwd".ljust(20, b"\0").hex()]
    assert [found for found in hashes if greeted(seeder, bytes.fromhex(found))] == []
    assert_still_serving(anna, ben, shared, seeder)


def test_a_seeder_gives_no_byte_that_is_not_of_the_file_asked_for(
    anna: Memocast, ben: Memocast, shared: str, seeder: Address
) -> None:
    content = anna.audio(shared).read_bytes()
    digest = bytes.fromhex(anna.show(shared)["info_hash"])
    end = len(content)
    pieces = -(-end // BLOCK)
    last = end - (pieces - 1) * BLOCK
    requests = [
        *((piece, 0, BLOCK) for piece in (pieces, pieces + 1, -1, NEVER, -NEVER - 1)),
        *((0, 0, length) for length in (0, -1, BLOCK + 1, 1 << 17, NEVER, -NEVER)),
        *((0, offset, BLOCK) for offset in (1, 7, BLOCK, -1, -BLOCK, end, NEVER, -NEVER)),
        *((pieces - 1, offset, BLOCK) for offset in (0, 1, last, last - 1)),
        (pieces - 1, last, 1),
        (NEVER, NEVER, NEVER),
        (-1, -1, -1),
        (-NEVER, -NEVER, -NEVER),
    ]
    answered = 0
    for request in requests:
        for piece, offset, block in blocks(seeder, digest, request):
            assert content[piece * BLOCK + offset :].startswith(block), request
            answered += 1
    assert answered, "an honest request behind one that is ignored is answered"
    assert_still_serving(anna, ben, shared, seeder)


def blocks(
    seeder: Address, digest: bytes, request: tuple[int, int, int]
) -> Iterator[tuple[int, int, bytes]]:
    """All that a seeder sends to who asks for that, and for one honest byte after it."""
    honest = (0, 0, 1)
    with Wire.to(seeder) as wire:
        assert wire.greet(digest)
        wire.introduce(None)
        wire.send(INTERESTED)
        for kind, payload in wire.messages():
            if kind == UNCHOKE:
                wire.request(*request)
                wire.request(*honest)
            assert kind != CHOKE
            if kind == PIECE:
                piece, offset = struct.unpack(">II", payload[:8])
                yield piece, offset, payload[8:]
                if (piece, offset, len(payload) - 8) == honest:
                    return


def test_a_seeder_gives_no_metadata_but_the_info_dictionary(
    anna: Memocast, ben: Memocast, shared: str, seeder: Address
) -> None:
    metadata = metadata_of(anna, shared)
    digest = bytes.fromhex(anna.show(shared)["info_hash"])
    rejected = []
    for number in (1, 2, 100, -1, NEVER, -NEVER, 2**62):
        with Wire.to(seeder) as wire:
            assert wire.greet(digest)
            wire.introduce(None)
            for kind, payload in wire.messages():
                if kind != EXTENDED:
                    continue
                if payload[0] == 0:
                    assert wire.metadata_size == len(metadata)
                    wire.ask_metadata(number)
                    wire.ask_metadata(0)
                    continue
                said: Any = lt.bdecode(payload[1:])
                if said[b"msg_type"] == 2:
                    rejected.append(said[b"piece"])
                elif said[b"msg_type"] == 1:
                    assert said[b"piece"] == 0
                    assert payload.endswith(metadata)
                    assert len(payload) == 1 + len(lt.bencode(said)) + len(metadata)
                    break
    assert rejected
    assert_still_serving(anna, ben, shared, seeder)


def assert_still_serving(anna: Memocast, ben: Memocast, memo: str, seeder: Address) -> None:
    """None of it has moved the seeder: somebody honest gets the memo."""
    pid = anna.seeder()["pid"]
    link = anna.run("share", memo).out.strip()
    ben.run("fetch", link, "--peer", f"{seeder[0]}:{seeder[1]}", "--timeout", "20")
    assert ben.audio().read_bytes() == anna.audio(memo).read_bytes()
    assert anna.seeder()["pid"] == pid
    assert not (anna.library / "log" / "crash.log").exists()
