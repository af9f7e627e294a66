"""The corpus of hostile cases: what a case is, and what honest offers they are made of.

The cases themselves are the tables in `names`, `metadata`, `text`, `links`, `audio`
and `headers`; `test_strangers` runs them.
"""

from __future__ import annotations

import functools
import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import numpy as np
import soundfile

from helpers.raw_peer import BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


HERE = b"here come many bytes"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a stranger holds out.

    `link` is what gets pasted, or `lines` what comes by standard input;
    without either it is the magnet of `info`, which a raw peer serves with
    `audio`. `torrent` is the content of a .torrent file. `tracker` is all that
    an HTTP tracker, named in the magnet, ever answers.
    """

    info: bytes = b""
    audio: bytes = b""
    link: str | bytes = ""
    lines: bytes = b""
    torrent: bytes = b""
    info_hash: bytes = b""
    metadata_size: int | None = None
    piece_length: int = BLOCK
    tracker: bytes = b""
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A name, how `fetch` must end, and what makes the offer in an empty folder.

    `title` is what `list` must show of a fetched memo, `says` a pattern for
    stderr. With `kept`, the contract keeps the download for another try.
    """

    name: str
    code: int
    make: Callable[[Path], Offer]
    title: str | None = None
    says: str = ""
    kept: bool = False
    options: tuple[str, ...] = ()


@functools.cache
def voice(container: str = "FLAC", subtype: str | None = None, seconds: float = 0.3) -> bytes:
    """Something honest to listen to, small and always the same."""
    samples = np.random.default_rng(7).integers(-9_000, 9_000, round(seconds * 8_000), np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, 8_000, format=container, subtype=subtype)
    return file.getvalue()


def info(
    audio: bytes | None = None, changes: dict[bytes, Any] | None = None, *, piece: int = BLOCK
) -> bytes:
    """The info dictionary of one file, with `changes`; a value of None takes a key away."""
    audio = voice() if audio is None else audio
    hashes = [hashlib.sha1(audio[at : at + piece]) for at in range(0, len(audio), piece)]
    document: dict[bytes, Any] = {
        b"name": b"voice.flac",
        b"length": len(audio),
        b"piece length": piece,
        b"pieces": b"".join(digest.digest() for digest in hashes),
    } | (changes or {})
    return lt.bencode({key: value for key, value in document.items() if value is not None})


def offer(changes: dict[bytes, Any] | None = None, audio: bytes | None = None) -> Offer:
    """An honest offer but for these changes of the info dictionary."""
    audio = voice() if audio is None else audio
    return Offer(info(audio, changes), audio)


def raw(bencoded: bytes) -> tuple[int, ...]:
    """Bytes that `lt.bencode` puts in as they are."""
    return tuple(bencoded)


def spliced(held: Offer, bencoded: bytes) -> Offer:
    """The offer with these bytes where its info dictionary has the string `HERE`."""
    return replace(held, info=held.info.replace(lt.bencode(HERE), bencoded))


def torrent_file(fields: dict[bytes, Any], audio: bytes | None = None) -> Offer:
    """An honest .torrent file but for these fields outside the info dictionary."""
    audio = voice() if audio is None else audio
    content = lt.bencode({b"info": raw(info(audio)), **fields})
    return Offer(info(audio), audio, torrent=content)


def named(cases: list[Case], prefix: str) -> list[Case]:
    """The cases with their subject in front of their names."""
    return [replace(case, name=f"{prefix}-{case.name}") for case in cases]
