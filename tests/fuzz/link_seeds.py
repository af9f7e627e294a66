"""Inputs to begin with: what memocast and others write, and what somebody hostile would."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import libtorrent as lt

from memocast.formats.memo import Memo
from memocast.formats.torrent import make, with_trackers

V1 = "0123456789abcdef0123456789abcdef01234567"
V2 = "ab" * 32

MAGNET = (
    f"magnet:?xt=urn:btih:{V1}&dn=My+memo&tr=udp%3A%2F%2Ft.example%3A1%2Fannounce"
    "&tr=http://u.example/announce&x.pe=192.0.2.7:51413&x.pe=[2001:db8::1]:6881"
)
HYBRID = f"magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=%e2%98%82"

LINKS = [
    MAGNET,
    HYBRID,
    f"MAGNET:?xt.1=urn:btmh:1220{V2.upper()}&tr.1=wss://w.example",
    f"magnet:?xt=urn:btih:{'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'}#fragment",
    V1,
    V2,
    "abcdefghijklmnopqrstuvwxyz234567",
    f"https://memos.example/?seeds={quote(MAGNET, safe='')}&seeds={quote(HYBRID, safe='')}",
    f"https://page.example/#{quote(MAGNET, safe='')}&{quote(HYBRID, safe='')}",
    f"http://page.example/#{MAGNET}",
    "magnet:?dn=nothing",
    "magnet:?xt=urn:btih:zzzz&xt=urn:btmh:1220",
    f"magnet:?xt=urn:btih:{V1}&tr=file:///etc/passwd&ws=http://10.0.0.1/&tr=udp://%1b[31m",
    f"magnet:?xt=urn:btih:{V1}&x.pe=tracked.example:80&x.pe=[fe80::1%25eth0]:1&x.pe=1.2.3.4:99999",
    f"magnet:?xt=urn:btih:{V1}" + "".join(f"&tr=udp://t{number}:1" for number in range(40)),
    f"magnet:?xt=urn:btih:{V1}" + "".join(f"&x.pe=10.0.0.1:{number}" for number in range(110)),
    f"magnet:?xt=urn:btih:{V1}&tr=udp://{'x' * 300}&dn={'%ff' * 600}",
    "https://[broken/?seeds=x",
    "https://\u2100.example/#magnet:?",
    "voice.torrent",
    "ftp://example.org/a.torrent",
    "",
]

AUDIO_INFO = b"6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:" + b"x" * 20

INFOS = [
    b"d%be" % AUDIO_INFO,
    b"d%b7:privatei1ee" % AUDIO_INFO,
    b"d8:memocastd5:peaks0:5:title400:%be%be" % (b"x" * 400, AUDIO_INFO),
    b"d3:fooi007e%be" % AUDIO_INFO,
    b"d5:zebra1:z%be" % AUDIO_INFO,
    b"d4:deep%b%b%be" % (b"l" * 96, b"e" * 96, AUDIO_INFO),
    b"d4:deep%b%b%be" % (b"l" * 98, b"e" * 98, AUDIO_INFO),
    b"d5:filesld6:lengthi5e4:pathl1:a1:beee4:name1:a12:piece lengthi16384e6:pieces20:%be"
    % (b"x" * 20),
    AUDIO_INFO.replace(b"1:a", b"5:../\xff/").join([b"d", b"e"]),
    AUDIO_INFO.replace(b"i5e", b"i-5e").join([b"d", b"e"]),
    AUDIO_INFO.replace(b"i5e", b"i9223372036854775807e").join([b"d", b"e"]),
    b"i1e",
    b"le",
    b"",
]

NO_UTF_8 = b"d8:announce10:http://a/\xff4:info%be" % INFOS[0]

KEYS: list[Any] = [
    {b"v": 1, b"title": b"t", b"description": b"d", b"created": 1, b"duration": 2, b"peaks": b"\1"},
    {b"v": 99, b"title": "Grüße 🎙".encode(), b"future": [1, {b"x": b"y"}], b"created": 2**62},
    {b"title": b"\xff\xfe", b"description": b"\xed\xa0\x80", b"created": -1, b"duration": -(2**63)},
    {b"title": b"x" * 301, b"description": b"x" * 8_001, b"peaks": b"x" * 201},
    {b"title": [], b"description": {}, b"created": b"now", b"duration": [1], b"peaks": 5},
    {b"title": b" \t", b"duration": 10**11 + 1, b"created": 4_102_444_800},
    [],
    b"text",
    7,
]


def links() -> list[bytes]:
    """Texts that somebody pastes."""
    return [text.encode() for text in LINKS]


def torrent_files() -> list[bytes]:
    """.torrent files."""
    return [*torrents(), NO_UTF_8, *(b"d4:info%be" % info for info in INFOS)]


def infos() -> list[bytes]:
    """Info dictionaries."""
    decoded: list[Any] = [lt.bdecode(content) for content in torrents()]
    return INFOS + [lt.bencode(document[b"info"]) for document in decoded]


def keys() -> list[bytes]:
    """What is under our key in an info dictionary."""
    return [lt.bencode(key) for key in KEYS]


MEMO = Memo(
    id="00000000",
    title="Title ☂",
    description="Some\nlines",
    created=datetime(2026, 11, 23, 9, 37, tzinfo=UTC),
    duration=1234,
    size=40_000,
    format="opus",
    origin="recorded",
    peaks=bytes(range(200)),
)


def torrents() -> list[bytes]:
    """Memos' .torrent files, version 1 and others'."""
    trackers = ["udp://t.example:1/announce", "http://u.example/announce"]
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "audio.opus"
        audio.write_bytes(bytes(MEMO.size))
        torrent = make(MEMO, audio)
        found = [torrent.content, with_trackers(torrent, trackers)]
        for version in (0, lt.create_torrent.v2_only):
            entry = lt.create_file_entry(audio.name, MEMO.size)
            creator = lt.create_torrent([entry], 16 * 1024, version)
            lt.set_piece_hashes(creator, folder, lambda _: None)
            creator.add_tracker(trackers[0])
            creator.add_url_seed("http://10.0.0.1/")
            creator.add_node("router.example", 6881)
            document: Any = creator.generate()
            found.append(lt.bencode(document))
    return found
