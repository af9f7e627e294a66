"""Recordings on disk: written to survive a crash, and repaired after one."""

from __future__ import annotations

import contextlib
import os
import struct
from typing import TYPE_CHECKING, Any

from memocast.audio.decoder import blocks
from memocast.audio.measure import whole_ogg_pages
from memocast.audio.opus_encoder import OpusWriter
from memocast.audio.refusals import damaged
from memocast.errors import LibraryError, MissingDecoder, NoSound, Refused, TakesTooMuch

if TYPE_CHECKING:
    from pathlib import Path

_OPUS_HEADER_PAGES = 2  # OpusHead and OpusTags, RFC 7845
_LONGEST_PAGE = 65_307  # bytes; RFC 3533, section 6
_WAV_HEADER_BYTES = 44
_FLAC_HEADER_BYTES = 42  # the marker and STREAMINFO, RFC 9639
MAX_WAV_FRAMES = (2**32 - 4096) // 2
"""Mono 16-bit frames that fit a WAV's 32-bit length: 12.4 hours at 48 kHz."""


def writer(path: Path, format_: str, sample_rate: int, channels: int = 1) -> Any:
    """Open a file to write int16 to as Opus (mono), FLAC or WAV, with `write` and `close`."""
    if format_ == "opus":
        return OpusWriter(path, sample_rate)
    import soundfile

    # As bytes: a folder's name need not be UTF-8.
    return soundfile.SoundFile(
        os.fsencode(path), "w", sample_rate, channels, subtype="PCM_16", format=format_.upper()
    )


def salvage(path: Path, format_: str) -> None:
    """Repair a file that `writer` left unfinished; nothing readable is lost.

    Its pages and header are read in this process: `writer` wrote them, into a folder that only
    its owner can write to. Its sound is decoded like a stranger's, in case that was not enough.

    Raises NoSound when it contains no sound, Refused or OSError when that cannot be told,
    and LibraryError when there is no disk space for the repair; the file is then unchanged.
    """
    if format_ == "opus":
        with path.open("r+b") as file:
            end, pages = whole_ogg_pages(file)
            if pages <= _OPUS_HEADER_PAGES:
                rest = os.fstat(file.fileno()).st_size - end
                raise damaged(path.name) if rest > _LONGEST_PAGE else _no_sound(path)
            file.truncate(end)
            os.fsync(file.fileno())
    elif format_ == "wav":
        _complete_wav_header(path)
    else:
        _rewrite_flac(path)


def _complete_wav_header(path: Path) -> None:
    """Write the header's two lengths, which `close` would have written."""
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_WAV_HEADER_BYTES)
        if size <= _WAV_HEADER_BYTES:
            raise _no_sound(path)
        if head[36:40] != b"data":
            raise damaged(path.name)
        file.seek(4)
        file.write(struct.pack("<I", size - 8))
        file.seek(40)
        file.write(struct.pack("<I", size - _WAV_HEADER_BYTES))
        os.fsync(file.fileno())


def _rewrite_flac(path: Path) -> None:
    import soundfile

    if path.stat().st_size <= _FLAC_HEADER_BYTES:
        raise _no_sound(path)
    mended = path.with_suffix(".mended")
    try:
        if not _copy_readable(path, mended):
            raise _no_sound(path)
        with mended.open("rb") as file:
            os.fsync(file.fileno())
        mended.replace(path)
    except soundfile.SoundFileError as error:
        raise LibraryError(
            f"the unfinished recording {path} cannot be repaired: no space for a copy",
            hint="free some space; the next command repairs it",
        ) from error
    finally:
        mended.unlink(missing_ok=True)


def _copy_readable(path: Path, mended: Path) -> bool:
    """Write the readable sound of a FLAC file to `mended`; return whether there is any.

    A file damaged in the middle is copied up to there. Raises Refused when nothing can be read,
    and when it is not the file's fault that not all was.
    """
    import numpy as np

    with contextlib.ExitStack() as closing:
        target = None
        try:
            for rate, block in blocks(path, "flac", torn=True):
                if target is None:
                    target = writer(mended, "flac", rate, block.shape[1])
                    closing.callback(target.close)
                target.write(np.round(block * 32_768).astype(np.int16))
        except (TakesTooMuch, MissingDecoder):
            raise
        except Refused:
            if target is None:
                raise
    return target is not None


def _no_sound(path: Path) -> NoSound:
    return NoSound(f"{path.name} is too short to contain sound", hint="record it again")
