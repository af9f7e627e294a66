"""Hostile text: what a stranger may have printed, in every field that reaches a terminal."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import libtorrent as lt

from helpers.hostile.case import Case, Offer, info, named, offer, raw, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TITLES: dict[str, tuple[str, str]] = {
    # What it is: how it comes, and how `list` shows it.
    "screen": ("\x1b[31m\x1b[2J\x1b[H\x1b[?1049h\x1b[?25l", "�[31m�[2J�[H�[?1049h�[?25l"),
    "window-title": ("\x1b]0;owned\x07", "�]0;owned�"),
    "hyperlink": ("\x1b]8;;http://x/\x1b\\click\x1b]8;;\x1b\\", "�]8;;http://x/�\\click�]8;;�\\"),
    "clipboard": ("\x1b]52;c;b3duZWQ=\x07\x1bP+q544e\x1b\\", "�]52;c;b3duZWQ=��P+q544e�\\"),
    "c1": ("\x9b31m\x9d0;owned\x9c\x90q\x9c", "�31m�0;owned��q�"),
    "overwriting": ("safe\x08\x08\x7fevil\rsafe", "safe���evil safe"),
    "forging": ("x\nmemocast: error: pay\there", "x memocast: error: pay here"),
    "bidi": ("\u202egpj.exe\u202c\u2066a\u2067\u2068\u2069", "�gpj.exe��a���"),
    "separating": ("a\u2028b\u2029c\u0085d", "a�b�c�d"),
    "invisible": ("a\u200bb\u2060c\ufeffd\U000e0041e\u061c", "a�b�c�d�e�"),
    "markup": ("[bold]x[/][link=http://x/]y[/link]", "[bold]x[/][link=http://x/]y[/link]"),
    "markup-broken": ("[/nothing] [red on :pile_of_poo:", "[/nothing] [red on :pile_of_poo:"),
    "format": ("%s%n{0}{title}$HOME`id`", "%s%n{0}{title}$HOME`id`"),
    "only-controls": ("\x1b\x07\x00\x7f", "����"),
    "combining": ("a" + "\u0301" * 140, "a" + "\u0301" * 140),
}


def key(**fields: Any) -> Callable[[Path], Offer]:
    """An honest voice that says this of itself."""
    said = {name.encode(): value for name, value in fields.items()}
    return lambda _: offer({b"memocast": {b"v": 1, **said}})


def whole(value: Any) -> Callable[[Path], Offer]:
    return lambda _: offer({b"memocast": value})


ALL = "".join(text for text, _ in TITLES.values())

KEYS: dict[str, Callable[[Path], Offer]] = {
    # All of these are dropped, and the title is taken from the file's name.
    "list": whole([]),
    "text": whole(b"\x1b[31m"),
    "number": whole(2**62),
    "of-other-types": key(title=[b"x"], description=7, created=b"nan", duration={}, peaks=[255]),
    "of-more-types": key(title={b"x": 1}, description=[], created=[[]], duration=b"1e999", peaks=9),
    "of-numbers-too-small": key(v=-1, title=-1, created=-(2**62), duration=-1, peaks=b""),
    "of-numbers-too-large": key(v=2**62, title=2**62, created=2**62, duration=2**62),
    "of-another-century": key(created=32_503_680_000, duration=7 * 24 * 3_600_000),
    "not-utf8": key(title=b"\xff\xfe\xc3\x28", description=b"\xff" * 8_000),
    "surrogate": key(title=b"\xed\xa0\x80", description=b"\xed\xb0\x80"),
    "title-of-a-megabyte": key(title=b"x" * 1_000_000),
    "title-of-301-bytes": key(title=b"x" * 301, description=b"x" * 8_001, peaks=b"x" * 201),
    "title-of-spaces": key(title=b" \t\n\xe2\x80\xa8 "),
    "nested-by-90": key(title=raw(b"l" * 90 + b"e" * 90)),
    "peaks-of-3-megabytes": key(peaks=b"\xff" * 3_000_000),
}


def tracker(body: bytes, head: bytes = b"HTTP/1.0 200 OK\r\n") -> Callable[[Path], Offer]:
    """A memo that nobody has, and a tracker that says this."""
    answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return lambda _: Offer(info_hash=b"\xcd" * 20, tracker=answer)


def failure(reason: bytes) -> Callable[[Path], Offer]:
    return tracker(lt.bencode({b"failure reason": reason}))


ZIPPED = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n"
TRACKERS: dict[str, Callable[[Path], Offer]] = {
    "colour": failure(b"\x1b[31mred\x1b[0m\x07"),
    "window-title": failure(b"\x1b]0;owned\x07\x9d0;owned\x9c"),
    "bidi": failure("\u202eevil\u2066".encode()),
    "forged": failure(b"no\r\nmemocast: hint: run this"),
    "markup": failure(b"[bold][link=http://x/]x[/link]"),
    "megabyte": failure(b"x" * 1_000_000),
    "warning": tracker(lt.bencode({b"warning message": b"\x1b[31m", b"peers": b""})),
    "status": tracker(b"", b"HTTP/1.0 500 \x1b]0;owned\x07\r\n"),
    "redirect": tracker(b"", b"HTTP/1.0 302 F\r\nLocation: file:///etc/passwd\r\n"),
    "bomb": tracker(gzip.compress(bytes(50_000_000)), ZIPPED),
    "not-http": lambda _: Offer(info_hash=b"\xcd" * 20, tracker=b"\x1b[31m\x00" * 999),
    "numbers": tracker(lt.bencode({b"interval": -(2**62), b"peers": b"odd", b"complete": 2**62})),
}

CASES = (
    named(
        [
            Case(name, 0, key(title=text.encode()), title=shown)
            for name, (text, shown) in TITLES.items()
        ],
        "title",
    )
    + named([Case(name, 0, make, title="voice") for name, make in KEYS.items()], "key")
    + named(
        [Case(name, 6, make, options=("--timeout", "0.5")) for name, make in TRACKERS.items()],
        "tracker",
    )
    + [
        Case("description-all", 0, key(description=ALL.encode())),
        Case("description-lines", 0, key(description=b"\n" * 4_000 + b"\r" * 4_000)),
        Case("name-all", 0, lambda _: offer({b"name": ALL.encode()})),
        Case("name-utf-8-all", 0, lambda _: offer({b"name.utf-8": ALL.encode()})),
        Case("fields-all", 0, lambda _: offer({b"source": ALL.encode(), b"comment": b"\x1b[31m"})),
        Case("peaks-claimed", 0, lambda _: claimed_peaks()),
    ]
)


def claimed_peaks() -> Offer:
    """A waveform that says a thousand million, by a length that its string does not have."""
    return Offer(info(None, {b"memocast": {b"peaks": b"\0" * 200, b"count": 10**9}}), voice())
