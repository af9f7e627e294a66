"""Short files of every format that memocast takes: whole, tagged, joined, unfinished and cut."""

from __future__ import annotations

import functools
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from mutagen._util import cdata

from fuzz.harness import by_bytes
from memocast.audio import tag_process

if TYPE_CHECKING:
    import random

    from fuzz.harness import Mutate

RATE = 8_000
_SECONDS = 0.06


@functools.cache
def files() -> dict[str, bytes]:
    """Return the files of one sound, by the name of what made them."""
    found = {
        name: _by_libsndfile(kind, subtype, rate)
        for name, kind, subtype, rate in (
            ("opus", "OGG", "OPUS", RATE),
            ("ogg", "OGG", "VORBIS", RATE),
            ("flac", "FLAC", "PCM_16", RATE),
            ("wav", "WAV", "PCM_16", RATE),
            ("wavex", "WAVEX", "FLOAT", RATE),
            ("adpcm", "WAV", "IMA_ADPCM", RATE),
            ("gsm", "WAV", "GSM610", RATE),
            ("rf64", "RF64", "PCM_24", RATE),
            ("aiff", "AIFF", "PCM_16", RATE),
            ("aifc", "AIFF", "ULAW", RATE),
        )
    }
    for name, container, codec, options in (
        ("mp3", "mp3", "libmp3lame", {}),
        ("plain mp3", "mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
        ("m4a", "ipod", "aac", {}),
        ("fragmented", "mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
        ("alac", "ipod", "alac", {}),
        ("webm", "webm", "libopus", {}),
        ("aac mka", "matroska", "aac", {}),
        ("mka", "matroska", "flac", {}),
    ):
        found[name] = _by_ffmpeg(container, codec, options)
    return found


def _tone() -> Any:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(RATE * _SECONDS)) / RATE)


def _by_libsndfile(kind: str, subtype: str, rate: int) -> bytes:
    import soundfile

    target = io.BytesIO()
    soundfile.write(target, _tone(), rate, format=kind, subtype=subtype)
    return target.getvalue()


def _by_ffmpeg(container: str, codec: str, options: dict[str, str]) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format=container, options=options) as output:
        rate = 48_000 if codec == "libopus" else RATE
        stream: Any = output.add_stream(codec, rate=rate, layout="mono")
        samples = (np.tile(_tone(), rate // RATE) * 30_000).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return target.getvalue()


@functools.cache
def seeds() -> list[bytes]:
    """Return all of them, and what other programs and killed ones make of them."""
    found = files()
    return [
        *found.values(),
        *(content + content for content in found.values()),
        *tagged().values(),
        *(content[: len(content) * 2 // 3] for content in found.values()),
        found["opus"] + found["ogg"],
        found["wav"] + found["wav"][:44],
        found["wav"] + b"TAG" + bytes(125),
        found["aiff"] + found["wav"],
        _with_length(found["wav"], 4, 0, "<"),
        _with_length(_with_length(found["wav"], 40, 0xFFFF_FFFF, "<"), 4, 0xFFFF_FFFF, "<"),
        _with_length(found["wav"], 40, 2**31, "<"),
        _with_length(found["aiff"], 4, 0, ">"),
        _id3(b"x" * 20) + found["flac"],
        _id3(b"") * 20 + found["plain mp3"],
        _id3(b"x" * 20) + _id3(b"\0") + found["mp3"] + b"TAG" + bytes(125),
        found["plain mp3"] + _id3(b"y" * 9) + found["mp3"],
        struct.pack(">I4s4sI", 8, b"free", b"ftyp", 0) + found["m4a"],
        b"OggS",
        b"RIFF\0\0\0\0WAVE",
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        b"",
    ]


@functools.cache
def tagged() -> dict[str, bytes]:
    """Return those with tags in them."""
    formats = ("opus", "ogg", "flac", "wav", "aiff", "mp3", "m4a")
    return {name: _tagged(files()[name], name) for name in formats}


def _tagged(content: bytes, format_: str) -> bytes:
    file = io.BytesIO(content)
    fields = {"title": "Title ☂", "date": "2026-11-23T09:37:00Z", "comment": "Some\nlines"}
    said = tag_process.answer(json.dumps({"format": format_, "fields": fields}).encode(), file)
    assert not said, said
    return file.getvalue()


def _with_length(content: bytes, at: int, length: int, order: str) -> bytes:
    return content[:at] + struct.pack(order + "I", length) + content[at + 4 :]


def _id3(content: bytes) -> bytes:
    return b"ID3\4\0\0\0\0\0" + bytes([len(content)]) + content


# -- changes -------------------------------------------------------------------------

_LENGTHS = (0, 1, 7, 8, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 0x7FFF_0000, 2**32 - 1)
_HEAD = 300
"""Bytes. What is said of the sound is mostly there."""


def changed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change a number, or what is where; mend the checksums of Ogg pages, most of the time."""
    found = bytearray(_changed(data, chance, mutate))
    if chance.random() < 0.8:
        mend_checksums(found)
    return bytes(found)


def _changed(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    at = (
        chance.randrange(min(len(data), _HEAD) if chance.random() < 0.7 else len(data))
        if data
        else 0
    )
    size = int(chance.expovariate(1 / 40)) + 1
    match chance.randrange(8):
        case 0 | 1 | 2:
            width = chance.choice([1, 2, 4, 4, 8])
            order = chance.choice(["little", "big"])
            before = int.from_bytes(data[at : at + width], order)
            number = chance.choice([*_LENGTHS, before + 1, before - 1, before * 2, -before])
            written = (number % (1 << (8 * width))).to_bytes(width, order)
            return data[:at] + written + data[at + width :]
        case 3:
            return data[:at] + data[at + size :]
        case 4:
            return data[:at] + data[at : at + size] * 2 + data[at + size :]
        case 5:
            other = chance.choice(seeds())
            begin = chance.randrange(len(other) + 1)
            return data[:at] + other[begin : begin + size * 4] + data[at:]
        case 6 if chance.random() < 0.3:
            return data + chance.choice(seeds())
        case _:
            return by_bytes(data, chance, mutate)


def mend_checksums(content: bytearray) -> None:
    """Write the checksum of each Ogg page (RFC 3533, section 6): readers drop pages without."""
    at = content.find(b"OggS")
    while at >= 0:
        table = content[at + 27 : at + 27 + content[at + 26]] if at + 26 < len(content) else b""
        end = at + 27 + len(table) + sum(table)
        if not table or end > len(content):
            return
        content[at + 22 : at + 26] = bytes(4)
        page = bytes(content[at:end]).translate(cdata.bitswap)
        checksum = struct.pack(">I", ~zlib.crc32(page, 0xFFFF_FFFF) & 0xFFFF_FFFF)
        content[at + 22 : at + 26] = checksum.translate(cdata.bitswap)
        at = content.find(b"OggS", end)
