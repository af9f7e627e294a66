"""What tests of private memos look at: keys in links, and what lies in the clear."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

SAID = "Grüße 🎙 from Anna"
"""The title of the fixture `memo`."""


def key_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["x.age"][0]


def share(user: Memocast, memo: str, *options: str) -> str:
    return user.run("share", memo, "--direct", *options).out.strip()


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def in_the_clear(user: Memocast, audio: bytes) -> list[Path]:
    """Files of the library that hold this audio, or a part of it."""
    return [
        path
        for path in user.library.rglob("*")
        if path.is_file() and audio[2000:2064] in path.read_bytes()
    ]
