"""The length of an audio file by its container, without decoding.

Only for formats that mark their end at the end of the file, so that a truncated
file is not taken for whole.
"""

from __future__ import annotations

import os
import struct
from typing import IO, NamedTuple

from memocast.audio import riff_chunks
from memocast.audio.joined_files import Part, parts
from memocast.audio.refusals import cut_short

_OPUS_RATE = 48_000  # of an Opus stream's granule positions, RFC 7845, section 4
_LONGEST_PAGE = 65_307  # bytes; RFC 3533, section 6
_OGG_HEADER = struct.Struct("<4sBBqIIIB")
_OGG_LAST = 4

MAX_DURATION = 24 * 3600
"""Seconds. A few kilobytes can decompress to years of silence."""

LONGEST_DURATION_ERROR = 100
"""Milliseconds. A claimed duration that differs more from the decoded one is ignored."""


FORMATS = ("opus", "wav")


def lasts(name: str, file: IO[bytes], format_: str, claimed: int) -> bool:
    """Return whether the container shows that it is whole and lasts about `claimed` milliseconds.

    Raises Refused when it is cut short.
    """
    found = duration(file, format_)
    if found is None or abs(found * 1000 - claimed) > LONGEST_DURATION_ERROR:
        return False
    only, *others = parts(name, file, format_)
    if others or only.head:
        return False
    if format_ == "wav":
        refuse_cut_riff(name, file, only)
    return found <= MAX_DURATION


def refuse_cut_riff(name: str, file: IO[bytes], last: Part) -> None:
    """Raise Refused for a WAV or AIFF whose last part ends before its header says."""
    file.seek(last.begin)
    announced = riff_chunks.announced(last.head or file.read(8))
    if announced is not None and announced > last.end - last.begin + 1:
        raise cut_short(name)


def duration(file: IO[bytes], format_: str) -> float | None:
    """Return a whole file's seconds of sound; None if it must be decoded or is damaged."""
    file.seek(0)
    if format_ == "opus":
        return _of_opus(file)
    if format_ == "wav":
        return _of_wav(file)
    return None


def _of_opus(file: IO[bytes]) -> float | None:
    size = file.seek(0, os.SEEK_END)
    tail = max(0, size - _LONGEST_PAGE)
    first = _ogg_page(file, 0)
    last = _ogg_page(file, tail + os.pread(file.fileno(), _LONGEST_PAGE, tail).rfind(b"OggS"))
    # A single stream; a second one would have another serial number.
    if not first or not last or last.serial != first.serial or not last.flags & _OGG_LAST:
        return None
    skipped = os.pread(file.fileno(), 2, first.content + 10)
    if last.end != size or len(skipped) < 2:
        return None
    return (last.position - int.from_bytes(skipped, "little")) / _OPUS_RATE


class _OggPage(NamedTuple):
    """What a page's header says, and where its content begins and ends."""

    flags: int
    position: int
    serial: int
    content: int
    end: int


def _ogg_page(file: IO[bytes], at: int) -> _OggPage | None:
    """Read a page's header (RFC 3533, section 6). mutagen, which can, takes longer to import."""
    head = os.pread(file.fileno(), _OGG_HEADER.size + 255, max(0, at))
    if len(head) < _OGG_HEADER.size:
        return None
    name, version, flags, position, serial, _, _, count = _OGG_HEADER.unpack_from(head)
    table = head[_OGG_HEADER.size :][:count]
    if name != b"OggS" or version or len(table) < count:
        return None
    content = at + _OGG_HEADER.size + count
    return _OggPage(flags, position, serial, content, content + sum(table))


def _of_wav(file: IO[bytes]) -> float | None:
    import wave

    size = file.seek(0, 2)
    file.seek(0)
    try:
        with wave.open(file) as sound:
            length = sound.getnframes() * sound.getnchannels() * sound.getsampwidth()
            return sound.getnframes() / sound.getframerate() if length < size else None
    except (EOFError, ValueError, ZeroDivisionError, struct.error, wave.Error):
        return None
    except RuntimeError:  # a chunk that is longer than the file
        return None
