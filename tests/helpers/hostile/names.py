"""Hostile names: wherever a torrent can hold one, it reaches neither the disk nor the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from helpers.hostile.case import Case, Offer, named, offer, torrent_file, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES: dict[str, bytes] = {
    "traversal": b"../../../../escaped.flac",
    "backslashes": b"..\\..\\..\\escaped.flac",
    "drive": b"C:\\escaped.flac",
    "percent": b"%2e%2e%2f%2e%2e%2fescaped",
    "overlong-utf8": b"\xc0\xae\xc0\xae\xc0\xafescaped",
    "reserved": b".NUL.flac::$DATA",
    "trailing-dot-and-space": b"voice.flac. ",
    "nul": b"voice\0.sh",
    "not-utf8": b"\xff\xfe\xfd.flac",
    "newlines": b"voice\nmemocast: fetched\r\n.flac",
    "ten-kilobytes": b"x" * 10_240,
    "ten-kilobytes-of-dots": b"../" * 3_413,
    "shell": b"$(touch escaped);`touch escaped`",
    "option": b"--play ~/.bashrc",
}

NO_NAMES: dict[str, bytes] = {"dots": b"..", "dot": b".", "empty": b""}
"""What libtorrent refuses, where it mends the others."""


def _name(name: bytes) -> Callable[[Path], Offer]:
    return lambda folder: offer({b"name": name})


def _absolute(folder: Path) -> Offer:
    return offer({b"name": str(folder.parent / "escaped.flac").encode()})


def _absolute_path(folder: Path) -> Offer:
    parts: list[Any] = [b"", *str(folder.parent).encode().split(b"/"), b"escaped.flac"]
    return files({b"path": parts})


def files(file: dict[bytes, Any], name: bytes = b"album") -> Offer:
    """A torrent with a list of one file."""
    whole = {b"length": len(voice()), b"path": [b"voice.flac"], **file}
    listed = {key: value for key, value in whole.items() if value is not None}
    return offer({b"length": None, b"files": [listed], b"name": name})


def _files(code: int, name: str, file: dict[bytes, Any]) -> Case:
    return Case(name, code, lambda _: files(file))


CASES = named(
    [Case(name, 0, _name(content)) for name, content in NAMES.items()]
    + [Case(name, 7, _name(content)) for name, content in NO_NAMES.items()]
    + [
        Case("absolute", 0, _absolute),
        Case("missing", 7, lambda _: offer({b"name": None})),
        Case("number", 7, lambda _: offer({b"name": 7})),
        Case("utf-8", 0, lambda _: offer({b"name.utf-8": b"../../../escaped.flac"})),
        Case("title", 0, lambda _: offer({b"memocast": {b"title": b"../../escaped"}})),
        Case("absolute-path", 0, _absolute_path),
        _files(0, "path", {b"path": [b"..", b"..", b"..", b"escaped.flac"]}),
        _files(0, "path-with-slashes", {b"path": [b"../../../escaped.flac"]}),
        _files(0, "path-utf-8", {b"path.utf-8": [b"..", b"..", b"escaped.flac"]}),
        _files(7, "path-of-nothing", {b"path": []}),
        _files(7, "path-of-ten-thousand", {b"path": [b"d"] * 10_000}),
        Case("path-and-name", 0, lambda _: files({b"path": [b"..", b"escaped"]}, b"../..")),
        _files(7, "path-is-text", {b"path": b"../../escaped"}),
        _files(7, "symlink", {b"attr": b"l", b"symlink path": [b"..", b"..", b"etc", b"passwd"]}),
        _files(7, "symlink-absolute", {b"attr": b"l", b"symlink path": [b"/etc/passwd"]}),
        _files(0, "executable", {b"attr": b"x"}),
        _files(7, "only-padding", {b"attr": b"p"}),
        Case(
            "announce",
            0,
            lambda _: torrent_file({b"announce": b"http://../../escaped", b"comment": b"../x"}),
        ),
    ],
    "name",
)
