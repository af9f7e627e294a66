"""Hostile torrents: structures, sizes and hashes that are absurd, odd, or not what they claim."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import libtorrent as lt

from helpers.hostile.case import (
    HERE,
    Case,
    Offer,
    info,
    named,
    offer,
    raw,
    spliced,
    torrent_file,
    voice,
)

HUGE = 2**62


def metadata(content: bytes, info_hash: bytes = b"", size: int | None = None) -> Offer:
    """These bytes as metadata, under their own hash unless there is another."""
    return Offer(content, voice(), info_hash=info_hash, metadata_size=size)


def changed(name: str, code: int, key: bytes, value: Any, **more: Any) -> Case:
    return Case(name, code, lambda _: offer({key: value}), **more)


def listed(count: int) -> Offer:
    """A torrent of many files, as metadata."""
    files = b"l" + b"".join(b"d6:lengthi1e4:pathl5:%05dee" % n for n in range(count)) + b"e"
    pieces = bytes(20 * (count // 16_384 + 1))
    return spliced(offer({b"length": None, b"files": HERE, b"pieces": pieces}), files)


def as_file(content: bytes) -> Offer:
    return Offer(torrent=content)


def followed_by(garbage: bytes) -> Offer:
    return replace(torrent_file({}), torrent=torrent_file({}).torrent + garbage)


def bloated(item: bytes, count: int) -> Offer:
    """A dictionary of ours that takes many times its own size in memory."""
    held = offer({b"memocast": {b"title": b"T", b"more": HERE}})
    return spliced(held, b"l" + item * count + b"e")


def bloated_file(item: bytes, count: int) -> Offer:
    """The same as a .torrent file, which may be larger than metadata from a peer."""
    held = bloated(item, count)
    return replace(held, torrent=b"d4:info" + held.info + b"e")


def second(**tree: Any) -> dict[bytes, Any]:
    """The version 2 part of an info dictionary (BEP 52), right for the voice but for `tree`."""
    leaf = {
        b"length": len(voice()),
        b"pieces root": hashlib.sha256(voice()).digest(),
        **{name.encode(): value for name, value in tree.items()},
    }
    return {b"meta version": 2, b"file tree": {b"voice.flac": {b"": leaf}}}


def hybrid(**tree: Any) -> Offer:
    return Offer(
        torrent=lt.bencode({b"info": raw(info(None, second(**tree))), b"piece layers": {}})
    )


def version_2(tree: Any) -> Offer:
    """A .torrent of version 2 alone."""
    changes = {b"length": None, b"pieces": None, b"meta version": 2, b"file tree": tree}
    return Offer(torrent=lt.bencode({b"info": raw(info(None, changes)), b"piece layers": {}}))


LEAF = {b"": {b"length": 5, b"pieces root": b"r" * 32}}
BOTH = {b"one.flac": LEAF, b"two.flac": LEAF}
ESCAPING = {b"..": {b"..": {b"escaped": LEAF}}}
TRACKERS = [[b"udp://127.0.0.1:1/%d" % number] for number in range(5_000)]
GIVE_UP = ("--timeout", "1")

NEVER_ACCEPTED: dict[str, Offer] = {
    "of-100-megabytes": metadata(info(), size=100_000_000),
    "of-negative-size": metadata(info(), size=-1),
    "of-no-size": metadata(info(), size=0),
    "of-absurd-size": metadata(info(), size=HUGE),
    "under-another-hash": metadata(info(), bytes.fromhex("ab" * 20)),
    "cut-short": metadata(info()[:-1], hashlib.sha1(info()).digest()),
}

NO_TORRENT: dict[str, bytes] = {
    "text": b"hello, this is not bencoded",
    "list": b"le",
    "empty-dictionary": b"de",
    "nested-deeply": b"l" * 10_000 + b"e" * 10_000,
    "dictionary-nested-deeply": b"d1:a" * 10_000 + b"e" * 10_000,
    "string-without-end": b"d99999999999999999999:x",
    "number-without-end": b"d6:lengthi" + b"9" * 50_000,
}

CASES = named(
    [
        Case(name, 6, lambda _, held=held: held, options=GIVE_UP)
        for name, held in NEVER_ACCEPTED.items()
    ]
    + [Case(name, 7, lambda _, it=content: metadata(it)) for name, content in NO_TORRENT.items()]
    + [
        Case(f"file-{name}", 5, lambda _, it=content: as_file(it))
        for name, content in NO_TORRENT.items()
    ]
    + [
        Case("trailing-garbage", 0, lambda _: metadata(info() + b"and more")),
        Case("bloated-by-letters", 0, lambda _: bloated(b"1:a", 1_300_000), title="voice"),
        Case("file-bloated", 0, lambda _: bloated_file(b"1:a", 2_100_000), title="voice"),
        changed("length-zero", 7, b"length", 0),
        changed("length-negative", 7, b"length", -1),
        changed("length-huge", 7, b"length", HUGE),
        changed("length-as-text", 7, b"length", b"4489"),
        changed("length-missing", 7, b"length", None),
        changed("pieces-none", 7, b"pieces", b""),
        changed("pieces-of-19-bytes", 7, b"pieces", bytes(19)),
        changed("pieces-too-many", 7, b"pieces", bytes(20 * 50_000)),
        changed("pieces-missing", 7, b"pieces", None),
        changed("pieces-a-list", 7, b"pieces", [b"x" * 20]),
        changed("piece-length-0", 7, b"piece length", 0),
        changed("piece-length-1", 7, b"piece length", 1),
        changed("piece-length-3", 7, b"piece length", 3),
        changed("piece-length-negative", 7, b"piece length", -16_384),
        changed("piece-length-2^31", 7, b"piece length", 2**31),
        changed("piece-length-2^62", 7, b"piece length", HUGE),
        changed("piece-length-no-power-of-2", 0, b"piece length", 16_385),
        Case("2-files", 7, lambda _: listed(2), says="holds 2 files"),
        Case("100000-files", 7, lambda _: listed(100_000), says="holds 100000 files"),
        changed("private", 0, b"private", 1),
        changed("ssl", 7, b"ssl-cert", b"-----BEGIN CERTIFICATE-----"),
        changed("collections", 0, b"collections", [b"../x", b"\x1b]0;x\x07"]),
        changed("similar", 0, b"similar", [bytes(20)] * 1_000),
        changed("update-url", 0, b"update-url", b"file:///etc/passwd"),
        changed("merkle", 0, b"root hash", bytes(20)),
        Case("hybrid-of-two-lengths", 5, lambda _: hybrid(length=5)),
        Case("hybrid-without-root", 5, lambda _: hybrid(**{"pieces root": b"short"})),
        Case("hybrid-by-magnet", 7, lambda _: offer(second(length=5))),
        Case("version-2-of-two-files", 7, lambda _: version_2(BOTH), says="holds 3 files"),
        Case("version-2-escaping", 6, lambda _: version_2(ESCAPING), options=GIVE_UP, kept=True),
        Case("version-2-nested-deeply", 5, lambda _: version_2(raw(b"d1:a" * 999 + b"e" * 999))),
        Case("version-2-empty", 5, lambda _: version_2({})),
        changed("version-99", 7, b"meta version", 99),
        Case(
            "corrupt", 6, lambda _: Offer(info(), voice(), corrupt=True), options=GIVE_UP, kept=True
        ),
        Case(
            "file-with-web-seeds", 0, lambda _: torrent_file({b"url-list": b"file:///etc/passwd"})
        ),
        Case(
            "file-with-http-seeds", 0, lambda _: torrent_file({b"httpseeds": [b"http://x.invalid"]})
        ),
        Case("file-with-nodes", 0, lambda _: torrent_file({b"nodes": [[b"x.invalid", 1]] * 99})),
        Case("file-with-nonsense", 0, lambda _: torrent_file({b"nodes": 7, b"announce-list": 7})),
        Case("file-of-many-trackers", 0, lambda _: torrent_file({b"announce-list": TRACKERS})),
        Case("file-with-garbage", 0, lambda _: followed_by(b"garbage")),
        Case("file-of-9-megabytes", 5, lambda _: as_file(b"d" + b"0" * (9 << 20) + b"e")),
    ],
    "metadata",
)
