"""Hostile links: pasted, piped in, or named as files that are none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from helpers.hostile.case import Case, Offer, named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HASH = "cd" * 20
MAGNET = f"magnet:?xt=urn:btih:{HASH}"
SOON = ("--timeout", "0.2")


def pasted(text: str | bytes) -> Callable[[Path], Offer]:
    return lambda _: Offer(link=text)


def piped(lines: bytes) -> Callable[[Path], Offer]:
    return lambda _: Offer(lines=lines)


def page(content: str) -> str:
    return f"https://memos.example/?seeds={quote(content, safe='')}"


NO_LINKS: dict[str, str | bytes] = {
    "escape": "\x1b]0;owned\x07\x1b[31mmagnet",
    "bidi": "\u202emagnet:?xt\u2066",
    "markup": "[bold]x[/bold][/nothing]",
    "percent-encoded": f"%6dagnet:?xt=urn:btih:{HASH}",
    "no-topic": "magnet:?dn=\x1b[31m",
    "topic-of-nul": "magnet:?xt=urn:btih:" + "%00" * 40,
    "topic-of-other-digits": "magnet:?xt=urn:btih:" + "٤" * 40,
    "topic-cut": MAGNET[:-1],
    "topic-with-newline": f"{MAGNET}%0a",
    "topic-twice-encoded": f"magnet:?xt=urn%253Abtih%253A{HASH}",
    "topic-of-100000": "magnet:?xt=urn:btih:" + "a" * 100_000,
    "truncated-percent": "magnet:?xt=%u%%2",
    "not-utf8": b"\xff\xfe\xc3\x28",
    "surrogate": b"\xed\xa0\x80.torrent-not",
    "javascript": "javascript:alert(1)",
    "data": "data:application/x-bittorrent,de",
    "file-url": "file:///etc/passwd",
    "passwd": "/etc/passwd",
    "page-without": "https://memos.example/?seeds=%1b%5b31m",
    "page-of-a-page": page(page(MAGNET)),
    "page-broken-address": "http://[::1/?seeds=" + quote(MAGNET, safe=""),
    "page-broken-port": "http://h:99999999999/#\u202e",
    "page-of-surrogates": "https://h/#%ed%a0%80%ff",
    "name-too-long": "x" * 5_000 + ".torrent",
}

MAGNETS: dict[str, str] = {
    # These name a torrent, which nobody has.
    "dn": f"{MAGNET}&dn=%1b%5d0%3bowned%07%e2%80%ae../../escaped",
    "host-names-as-peers": f"{MAGNET}&x.pe=x.invalid:1&x.pe=localhost:22&x.pe=[fe80::1%25lo]:1",
    "ports": f"{MAGNET}&x.pe=127.0.0.1:0&x.pe=127.0.0.1:99999&x.pe=127.0.0.1:-1&x.pe=:1",
    "trackers": f"{MAGNET}&tr=file:///etc/passwd&tr=javascript:x&tr=%1b%5b31m&tr=http://%0d%0aX: y",
    "web-seeds": f"{MAGNET}&ws=file:///etc/passwd&xs=http://127.0.0.1:1/&as=http://127.0.0.1:1/",
    "thousands-of-parameters": MAGNET + "&so=0-99999999&x=y" * 5_000,
    "thousands-of-peers": MAGNET + "".join(f"&x.pe=127.0.0.1:{n}" for n in range(1, 4_000)),
    "seeds": page(f"{MAGNET}&dn=%2500%251b"),
}


def folder(scratch: Path) -> Offer:
    (scratch / "x.torrent").mkdir()
    return Offer(link=str(scratch / "x.torrent"))


def pipe(scratch: Path) -> Offer:
    os.mkfifo(scratch / "x.torrent")
    return Offer(link=str(scratch / "x.torrent"))


def zeros(scratch: Path) -> Offer:
    (scratch / "x.torrent").symlink_to("/dev/zero")
    return Offer(link=str(scratch / "x.torrent"))


def loop(scratch: Path) -> Offer:
    (scratch / "x.torrent").symlink_to(scratch / "x.torrent")
    return Offer(link=str(scratch / "x.torrent"))


def sparse(scratch: Path) -> Offer:
    with (scratch / "x.torrent").open("wb") as file:
        file.truncate(1 << 40)
    return Offer(link=str(scratch / "x.torrent"))


CASES = named(
    [Case(name, 5, pasted(text)) for name, text in NO_LINKS.items()]
    + [Case(name, 6, pasted(text), options=SOON) for name, text in MAGNETS.items()]
    + [
        Case("piped-nul", 5, piped(b"\0\0\0\n")),
        Case("piped-not-utf8", 5, piped(b"\xff\xfe\x80\n")),
        Case("piped-escapes", 5, piped(b"\x1b]0;owned\x07\x9b31m\n")),
        Case("piped-megabyte", 5, piped(b"x" * 1_000_000)),
        Case("piped-100-megabytes", 5, lambda _: Offer(lines=b"x" * 100_000_000)),
        Case("piped-megabyte-of-page", 5, piped(b"https://h/?" + b"seeds=%41&" * 100_000)),
        Case(
            "piped-megabyte-of-magnet", 6, piped(MAGNET.encode() + b"&a=b" * 250_000), options=SOON
        ),
        Case("missing-file", 2, pasted("\x1b[31m\u202e.torrent")),
        Case("folder", 2, folder),
        Case("fifo", 2, pipe),
        Case("device", 2, pasted("/dev/zero")),
        Case("symlink-to-device", 2, zeros),
        Case("symlink-to-itself", 5, loop),
        Case("file-of-a-tebibyte", 5, sparse),
    ],
    "link",
)
