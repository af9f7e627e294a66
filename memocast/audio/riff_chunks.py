"""Chunks of WAV and AIFF files and boxes of MP4, parsed as far as needed to find the sound.

A killed recorder leaves the initial lengths in the header of a WAV or AIFF, while all
samples are there. Such a header is repaired here, in memory.
"""

from __future__ import annotations

import os
import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHUNKS = 1_000
"""Before or after the sound of a WAV or AIFF. Usually there are a handful."""

_MOST_BOXES = 100_000
"""At the top level of an MP4; one recorded in fragments has about two for each second."""

_MOST_HEADER = 1 << 16
"""Bytes before the sound of a WAV or AIFF whose header is repaired."""

_BEGINNINGS = {
    (b"RIFF", b"WAVE"): ("<", b"data"),
    (b"RF64", b"WAVE"): ("<", b"data"),
    (b"FORM", b"AIFF"): (">", b"SSND"),
    (b"FORM", b"AIFC"): (">", b"SSND"),
}
"""The byte order of lengths, and the name of the chunk with the samples."""

_NOT_SOUND = (b"TAG", b"ID3", b"APETAGEX", b"PK\3\4")
"""What other programs append after the last chunk."""

_UNKNOWN = 0x7FFF_0000
"""A length from here on means unknown: the program wrote to a pipe."""


def sounds(file: IO[bytes], size: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each WAV or AIFF file joined in `file` begins and ends, and its header.

    The header has corrected lengths if it was unfinished; otherwise it is empty.
    """
    begin = 0
    while True:
        end, head = _sound(file, begin, size)
        joined = _kind(file, end) is not None
        yield begin, end if joined else size, head
        if not joined:
            return
        begin = end


def announced(head: bytes) -> int | None:
    """Return the size in bytes that the header of a WAV or AIFF claims; None if unknown."""
    order = ">" if head.startswith(b"FORM") else "<"
    (length,) = struct.unpack(order + "I", head[4:8])
    return length + 8 if length < _UNKNOWN else None


def movies(file: IO[bytes], size: int) -> Iterator[int]:
    """Yield where joined MP4 files begin (ISO/IEC 14496-12, section 4.2)."""
    at = 0
    for _ in range(_MOST_BOXES):
        head = os.pread(file.fileno(), 16, at) if at < size else b""
        if len(head) < 8:
            return
        if head[4:8] == b"ftyp":
            yield at
        length = int.from_bytes(head[:4])
        if length == 1:
            length = int.from_bytes(head[8:16])
        if length < 8:  # it reaches to the end, or is invalid
            return
        at += length


def _kind(file: IO[bytes], at: int) -> tuple[str, bytes] | None:
    head = os.pread(file.fileno(), 12, at)
    return _BEGINNINGS.get((head[:4], head[8:12]))


def _sound(file: IO[bytes], begin: int, size: int) -> tuple[int, bytes]:
    """Return where the file at `begin` ends, and its header if it needs repair."""
    order, name = _kind(file, begin) or ("<", b"data")
    at = begin + 12
    is_unfinished = False
    for _ in range(_MOST_CHUNKS):
        head = os.pread(file.fileno(), 8, at)
        if len(head) < 8 or _kind(file, at):
            break
        length = struct.unpack(order + "I", head[4:])[0]
        after = at + 8 + length
        if head[:4] == b"ds64":  # EBU Tech 3306: the true lengths, in 64 bits
            is_unfinished = not any(os.pread(file.fileno(), 8, at + 16))
        if head[:4] == name and (length < _UNKNOWN or is_unfinished):
            end = None if is_unfinished else _end(file, after, size, order)
            if end is None:
                return size, _mended(file, begin, at, size, order)
            return end, b""
        at = after + length % 2
    return min(at, size), b""


def _end(file: IO[bytes], at: int, size: int, order: str) -> int | None:
    """Return where the chunks after the samples end; None if more samples follow instead."""
    for pad in (at % 2, 0):  # some programs forget it
        found = at + pad
        for _ in range(_MOST_CHUNKS):
            head = os.pread(file.fileno(), 8, found)
            if len(head) < 8 or _kind(file, found) or head.startswith(_NOT_SOUND):
                return min(found, size)
            if not all(32 <= byte < 127 for byte in head[:4]):
                break
            length = struct.unpack(order + "I", head[4:])[0]
            found += 8 + length + length % 2
            if found > size + 1:
                break
    return None


def _mended(file: IO[bytes], begin: int, at: int, size: int, order: str) -> bytes:
    """Return the repaired header, for samples from the chunk at `at` to the end."""
    header = bytearray(os.pread(file.fileno(), min(at + 8 - begin, _MOST_HEADER), begin))
    if len(header) < at + 8 - begin:
        return b""
    for place, length in ((4, size - begin - 8), (len(header) - 4, size - at - 8)):
        written = length if length < _UNKNOWN else 2**32 - 1
        header[place : place + 4] = struct.pack(order + "I", written)
    if header.startswith(b"RF64"):
        header[:4] = b"RIFF"
        header[12:16] = b"JUNK"
    return bytes(header)
