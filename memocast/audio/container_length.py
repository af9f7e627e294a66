"""The length of an audio file by its container, without decoding.

Only for formats that mark their end at the end of the file, so that a truncated
file is not taken for whole.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OPUS_RATE = 48_000  # of an Opus stream's granule positions, RFC 7845, section 4
_LONGEST_PAGE = 65_307  # bytes; RFC 3533, section 6


def duration(path: Path, format_: str) -> float | None:
    """Return a whole file's seconds of sound; None if it must be decoded or is damaged."""
    with path.open("rb") as file:
        if format_ == "opus":
            return _of_opus(file)
        if format_ == "wav":
            return _of_wav(file)
    return None


def _of_opus(file: IO[bytes]) -> float | None:
    from mutagen import ogg

    try:
        first = ogg.OggPage(file)  # type: ignore[no-untyped-call]
        size = file.seek(0, 2)
        end = file.seek(max(0, size - _LONGEST_PAGE))
        end += file.read().rindex(b"OggS")
        file.seek(end)
        last = ogg.OggPage(file)  # type: ignore[no-untyped-call]
        # A single stream; a second one would have another serial number.
        if file.tell() != size or last.serial != first.serial or not last.last:
            return None
        (skipped,) = struct.unpack_from("<H", first.packets[0], 10)
    except (EOFError, ValueError, IndexError, struct.error, ogg.error):
        return None
    return float(last.position - skipped) / _OPUS_RATE


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
