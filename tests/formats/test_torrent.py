"""Torrents: what a memo's info dictionary holds, and what a stranger's is allowed to say."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.link_seeds import MEMO
from memocast.formats.memo import title_from_file
from memocast.formats.memo_info import Description, parse_info
from memocast.formats.torrent import from_metadata, make, piece_length, with_trackers
from memocast.text import file_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "audio"
    path.write_bytes(bytes(index * index % 251 for index in range(MEMO.size)))
    return path


def test_the_info_dictionary_carries_the_memo(audio: Path) -> None:
    torrent = make(MEMO, audio)
    content: Any = lt.bdecode(torrent.content)
    info = content[b"info"]
    assert info[b"name"] == "Title ☂.opus".encode()
    assert info[b"length"] == 40_000
    assert info[b"piece length"] == 16_384
    assert b"private" not in info
    assert b"meta version" not in info, "browsers know version 1 only"
    assert info[b"memocast"] == {
        b"v": 1,
        b"title": "Title ☂".encode(),
        b"description": b"Some\nlines",
        b"created": 1_795_426_620,
        b"duration": 1234,
        b"peaks": bytes(range(200)),
    }
    assert torrent.info_hash == hashlib.sha1(lt.bencode(info)).hexdigest()
    pieces = [audio.read_bytes()[start : start + 16_384] for start in range(0, 40_000, 16_384)]
    assert info[b"pieces"] == b"".join(hashlib.sha1(piece).digest() for piece in pieces)


def test_the_same_memo_makes_the_same_torrent(audio: Path) -> None:
    assert make(MEMO, audio) == make(MEMO, audio)
    assert make(replace(MEMO, title="other"), audio).info_hash != make(MEMO, audio).info_hash


def test_what_was_written_is_read_back(audio: Path) -> None:
    content: Any = lt.bdecode(make(MEMO, audio).content)
    assert parse_info(content[b"info"]) == Description(
        MEMO.title, MEMO.description, MEMO.created, MEMO.duration, MEMO.peaks
    )


def test_magnet_and_torrent_file_name_the_trackers(audio: Path) -> None:
    torrent = make(MEMO, audio)
    trackers = ["udp://t.example:1/announce", "http://u.example/announce"]
    assert torrent.magnet(trackers, [("192.0.2.1", 5), ("2001:db8::1", 6)]) == (
        f"magnet:?xt=urn:btih:{torrent.info_hash}&dn=Title%20%E2%98%82.opus"
        "&tr=udp%3A%2F%2Ft.example%3A1%2Fannounce&tr=http%3A%2F%2Fu.example%2Fannounce"
        "&x.pe=192.0.2.1:5&x.pe=[2001:db8::1]:6"
    )
    read = lt.load_torrent_buffer(with_trackers(torrent, trackers))
    assert read.trackers == trackers
    assert str(read.info_hashes.v1) == torrent.info_hash


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        b"5:zebra1:z",  # before its place in the alphabet
        b"4:fivei005e",
        b"4:zeroi-0e",
        b"5:twice1:15:twice1:2",
        b"003:odd001:x",
    ],
)
def test_a_strangers_info_dictionary_is_kept_byte_for_byte(extra: bytes) -> None:
    info = b"d%b6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:%be" % (extra, b"x" * 20)
    came = lt.load_torrent_buffer(b"d4:info%be" % info)
    torrent = from_metadata(came, "a", ["udp://a.example:1"])
    assert torrent.content == b"d4:info%be" % info
    assert torrent.info_hash == hashlib.sha1(info).hexdigest()
    for trackers in ([], ["udp://a.example:1", "http://b.example/announce"]):
        read = lt.load_torrent_buffer(with_trackers(torrent, trackers))
        assert read.trackers == trackers
        assert str(read.info_hashes.v1) == torrent.info_hash


@pytest.mark.parametrize("version", [0, lt.create_torrent.v2_only])
def test_a_version_2_torrent_is_kept_with_its_piece_layers(audio: Path, version: int) -> None:
    creator = lt.create_torrent([lt.create_file_entry(audio.name, MEMO.size)], 16 * 1024, version)
    lt.set_piece_hashes(creator, str(audio.parent), lambda _: None)
    document: Any = creator.generate()
    came = lt.load_torrent_buffer(lt.bencode(document))
    torrent = from_metadata(came, "a", [])
    assert lt.bdecode(torrent.content) == {key: document[key] for key in (b"info", b"piece layers")}
    read = lt.load_torrent_buffer(with_trackers(torrent, ["udp://a.example:1"]))
    assert read.info_hashes == came.info_hashes


@pytest.mark.parametrize(
    ("size", "length"),
    [(1, 1 << 14), (1 << 24, 1 << 14), ((1 << 24) + 1, 1 << 15), (10**9, 1 << 20)],
)
def test_pieces_are_as_small_as_1024_of_them_allow(size: int, length: int) -> None:
    assert piece_length(size) == length


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Shopping", "Shopping.opus"),
        ("../../etc/passwd", "etc passwd.opus"),
        ("a/b\\c:d", "a b c d.opus"),
        (".bashrc", "bashrc.opus"),
        ("CON", "memo CON.opus"),
        ("aux.txt", "memo aux.txt.opus"),
        ("con . txt", "memo con . txt.opus"),
        ("conin$", "memo conin$.opus"),
        ("CON." + "x" * 200, "memo CON." + "x" * 106 + ".opus"),
        ("dots...", "dots.opus"),
        ("\u202eevil\x1b[31m\n", "evil[31m.opus"),
        ("***", "memo.opus"),
        ("👩\u200d🚒", "👩\u200d🚒.opus"),
        ("e\u0301", "é.opus"),
        ("e\u00ad\u0301", "é.opus"),
    ],
)
def test_file_names_are_safe_everywhere(title: str, name: str) -> None:
    assert file_name(title, "opus") == name


@given(st.text(max_size=400))
def test_any_title_gives_a_safe_name_of_at_most_120_bytes(title: str) -> None:
    name = file_name(title, "opus")
    assert name.endswith(".opus")
    assert len(name.encode()) <= 120
    assert not name.startswith(".")
    assert not set(name) & set('/\\:*?"<>|\0\n\r\x1b')


def claim(**changes: object) -> Description:
    key: dict[bytes, object] = {b"v": 1, b"title": b"t", b"description": b"d", b"created": 1}
    key |= {b"duration": 2, b"peaks": b"\1"}
    key |= {name.encode(): value for name, value in changes.items()}
    return parse_info({b"memocast": key})


GOOD = Description("t", "d", datetime.fromtimestamp(1, UTC), 2, b"\1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", b"x" * 301),
        ("title", b"\xff\xfe"),
        ("title", b"  "),
        ("title", 7),
        ("title", [b"x"]),
        ("description", b"x" * 8001),
        ("description", {}),
        ("created", -1),
        ("created", 0),
        ("created", 32_503_680_000),
        ("created", 10**18),
        ("created", b"now"),
        ("duration", -5),
        ("duration", 10**12),
        ("duration", []),
        ("peaks", b""),
        ("peaks", b"x" * 201),
        ("peaks", [1, 2]),
    ],
)
def test_a_field_out_of_bounds_is_dropped_and_the_others_kept(field: str, value: object) -> None:
    assert claim(**{field: value}) == replace(GOOD, **{field: None})


@pytest.mark.parametrize("key", [b"text", 7, [], None])
def test_a_key_that_is_no_dictionary_is_dropped_whole(key: object) -> None:
    assert parse_info({b"memocast": key}) == Description()
    assert parse_info({}) == Description()
    assert parse_info("nonsense") == Description()


def test_a_higher_version_is_read_for_what_is_known() -> None:
    assert claim(v=99, future=b"x") == GOOD


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Shopping list.opus", "Shopping list"),
        ("no extension", "no extension"),
        ("a.long sentence. really", "a.long sentence. really"),
        (".opus", ".opus"),
        ("x" * 400, "x" * 300),
        ("x" * 299 + " y", "x" * 299),
        ("", "untitled"),
    ],
)
def test_a_torrent_without_our_key_is_called_by_its_name(name: str, title: str) -> None:
    assert title_from_file(name) == title
