"""Parts: several audio files joined into one, as by `cat`.

Decoders stop at the end of the first part, most of them silently. Chained Ogg is even
legal (RFC 3533, section 4). So each part is decoded as a separate file.
"""

from __future__ import annotations

import os
import re
from typing import IO, TYPE_CHECKING, NamedTuple

from memocast.audio import riff_chunks
from memocast.errors import Refused
from memocast.random_access import RandomAccess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_PARTS = 1_000
"""In one file. Nobody joins more by hand, and each needs a decoder."""

_BLOCK_BYTES = 1 << 20

_OGG_PAGE = re.compile(rb"OggS\0[\2\6]")
"""A page that begins a stream: version 0, flag 2 set (RFC 3533, section 6)."""

_FLAC = re.compile(rb"fLaC[\x00\x80]\0\0\x22")
"""The marker, and a STREAMINFO block of 34 bytes, which always comes first (RFC 9639)."""

_MATROSKA = re.compile(rb"\x1aE\xdf\xa3.{1,40}?B\x82.(?:webm|matroska)", re.DOTALL)
"""An EBML header (RFC 8794) with its document type, in its usual place near the beginning."""

MPEG_NAMES = (b"Xing", b"Info", b"VBRI")
"""Names of a frame without sound that counts the frames after it."""

_MPEG = re.compile(b"(?P<frame>" + b"|".join(MPEG_NAMES) + b")|ID3")
"""That name, or the beginning of an ID3v2 tag."""

_MPEG_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
"""The first bytes of a frame of layer III."""

_NAMES_AT = (36, 21, 13)
"""Bytes from a frame's start to that name, by version and channels."""

_LONGEST_MATCH = 100
_MOST_TAGS = 16
_ID3_HEADER = re.compile(rb"ID3[\2-\4].(?P<flags>.)(?P<length>[\x00-\x7f]{4})", re.DOTALL)


class Part(NamedTuple):
    """The bytes from `begin` to `end` of a file; `head` replaces the first of them."""

    begin: int
    end: int
    head: bytes = b""


def parts(name: str, file: IO[bytes], format_: str) -> list[Part]:
    """Return the parts of the file, at least one; `name` is for errors.

    Raises Refused when there are too many.
    """
    found: list[Part] = []
    for part in _found(file, os.fstat(file.fileno()).st_size, format_):
        found.append(part)
        if len(found) > MOST_PARTS:
            raise Refused(
                f"{name} was joined from more than {MOST_PARTS:,} files",
                hint="add the original files instead",
            )
    return found


def _found(file: IO[bytes], size: int, format_: str) -> Iterable[Part]:
    match format_:
        case "opus" | "ogg":
            return _between(_ogg(file, size), size)
        case "mp3":
            return _mpeg(file, size)
        case "wav" | "aiff":
            return (Part(*found) for found in riff_chunks.sounds(file, size))
        case "m4a":
            return _between(riff_chunks.movies(file, size), size)
        case _:
            pattern = _FLAC if format_ == "flac" else _MATROSKA
            begins = (at for at, _ in _search(file, size, pattern))
            return _between(begins, size, behind_tags(file))


def behind_tags(file: IO[bytes]) -> int:
    """Return where the ID3v2 tags at the start of a file end; 0 if it has none."""
    at = 0
    for _ in range(_MOST_TAGS):
        end = _end_of_tag(file, at)
        if not end:
            break
        at = end
    return at


def _between(begins: Iterable[int], size: int, begin: int = 0) -> Iterator[Part]:
    """Yield the parts that start at `begins`, the first one at `begin`."""
    for following in begins:
        if following > begin:
            yield Part(begin, following)
            begin = following
    yield Part(begin, size)


def _search(
    file: IO[bytes], size: int, pattern: re.Pattern[bytes]
) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Yield where the pattern matches, block by block: a file can be larger than memory."""
    for at in range(0, size, _BLOCK_BYTES):
        block = os.pread(file.fileno(), _BLOCK_BYTES + _LONGEST_MATCH, at)
        for match in pattern.finditer(block):
            if match.start() < _BLOCK_BYTES:
                yield at + match.start(), match


def _ogg(file: IO[bytes], size: int) -> Iterator[int]:
    """Yield where chained streams begin. Multiplexed streams all begin before any continues."""
    heads_end = 0
    for at, _ in _search(file, size, _OGG_PAGE):
        if at > heads_end:
            yield at
        if at >= heads_end:  # not within a page
            heads_end = _ogg_page_end(file, at)


def _ogg_page_end(file: IO[bytes], at: int) -> int:
    """Return where the page ends: its header has 27 bytes and one for each segment's length."""
    head = os.pread(file.fileno(), 27 + 255, at)
    table = head[27 : 27 + head[26]] if len(head) > 26 else b""
    return at + 27 + len(table) + sum(table)


def _mpeg(file: IO[bytes], size: int) -> Iterator[Part]:
    """Yield MPEG audio without its ID3v2 tags; a frame that counts the others begins a part."""
    begin = 0
    has_part = False
    for at, match in _search(file, size, _MPEG):
        if at < begin:
            continue  # within a tag
        if match["frame"]:
            end = following = _mpeg_frame(file, at)
        else:
            end, following = at, _end_of_tag_between(file, at, size)
        if following > begin:
            if _has_frame(file, begin, end):
                yield Part(begin, end)
                has_part = True
            begin = following
    if not has_part or _has_frame(file, begin, size):
        yield Part(begin, size)


def _has_frame(file: IO[bytes], begin: int, end: int) -> bool:
    """Return whether it may hold sound: some programs leave zeros or parts of tags after a tag."""
    if end - begin > _BLOCK_BYTES:
        return True
    return bool(_MPEG_FRAME.search(os.pread(file.fileno(), max(0, end - begin), begin)))


def _mpeg_frame(file: IO[bytes], name_at: int) -> int:
    """Return the start of the frame whose name is at `name_at`; 0 if there is no frame."""
    before = os.pread(file.fileno(), min(_NAMES_AT[0], name_at), max(0, name_at - _NAMES_AT[0]))
    for distance in _NAMES_AT:
        if distance <= len(before) and _MPEG_FRAME.match(before, len(before) - distance):
            return name_at - distance
    return 0


def _end_of_tag(file: IO[bytes], at: int) -> int:
    """Return where the ID3v2 tag at `at` ends; 0 if there is none."""
    head = _ID3_HEADER.match(os.pread(file.fileno(), 10, at))
    if not head:
        return 0
    length = 0
    for byte in head["length"]:  # seven bits each
        length = length << 7 | byte
    has_footer = head["flags"][0] & 0x10
    return at + (20 if has_footer else 10) + length


def _end_of_tag_between(file: IO[bytes], at: int, size: int) -> int:
    """Return the same if MPEG audio, another tag or nothing follows; otherwise it is no tag."""
    end = _end_of_tag(file, at)
    behind = os.pread(file.fileno(), 3, end)
    if not at:
        return min(end, size)
    is_tag = not behind.strip(b"\0") or behind == b"ID3" or _MPEG_FRAME.match(behind)
    return end if is_tag and end <= size else 0


class PartFile(RandomAccess):
    """A part as a separate file. It has its own position in `raw`, and leaves `raw` open."""

    def __init__(self, raw: IO[bytes], part: Part) -> None:
        super().__init__(part.end - part.begin)
        self._descriptor = raw.fileno()
        self._part = part

    def read_at(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from `position`."""
        part = self._part
        if position < len(part.head):
            return part.head[position : position + count]
        left = max(0, part.end - part.begin - position)
        return os.pread(self._descriptor, min(count, left), part.begin + position)
