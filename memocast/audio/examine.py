"""Examine audio files: their format, length and waveform.

Files come from strangers, so their names are ignored: the first bytes choose one
known decoder, and only that decoder reads the file, in a limited process.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.audio import container_length, decoder
from memocast.audio.container_length import LONGEST_DURATION_ERROR, MAX_DURATION
from memocast.audio.joined_files import behind_tags
from memocast.audio.refusals import takes_too_much
from memocast.audio.sound import Sound
from memocast.errors import NoSound, Refused
from memocast.formats.memo import PEAK_SLICES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEAD_BYTES = 64

_LONGEST = 1 << 32
"""Seconds, where there is no other limit."""


def identify(path: Path) -> str:
    """Return the format, by the file's first bytes, as a file extension. Raises Refused."""
    with path.open("rb") as file:
        head = os.pread(file.fileno(), _HEAD_BYTES, 0)
        behind = os.pread(file.fileno(), 4, behind_tags(file))
    # Some programs put ID3 tags before FLAC too.
    format_ = "flac" if behind == b"fLaC" else format_of(head)
    if format_ is None:
        if not head:
            raise NoSound(f"{path.name} is empty", hint="record or copy it again")
        raise Refused(
            f"{path.name} is not audio that memocast knows",
            hint="memocast supports Opus, Ogg, FLAC, WAV, MP3, AIFF, M4A and WebM",
        )
    return format_


def format_of(head: bytes) -> str | None:
    """Return the format of a file that begins with `head`, as a file extension."""
    if head.startswith(b"OggS"):
        return "opus" if b"OpusHead" in head else "ogg"
    if head.startswith(b"fLaC"):
        return "flac"
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head.startswith(b"\x1aE\xdf\xa3"):  # EBML, RFC 8794
        return "webm" if b"webm" in head else "mka"
    if head[4:8] == b"ftyp":  # ISO/IEC 14496-12
        return "m4a"
    is_mpeg_audio = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return "mp3" if head.startswith(b"ID3") or is_mpeg_audio else None


def confirm(
    path: Path,
    duration: int | None,
    peaks: bytes | None,
    progress: Callable[[float], None] | None = None,
) -> Sound:
    """Check a file that came with its `duration` in milliseconds and its `peaks`.

    It is decoded, as by `examine`, only if one of them is missing, or if nothing
    else shows that the file is whole and as long as claimed.
    """
    if duration and peaks:
        format_ = identify(path)
        if format_ in container_length.FORMATS and decoder.lasts(path, format_, duration):
            return Sound(format_, duration, peaks)
    sound = examine(path, progress)
    if duration and abs(duration - sound.duration) > LONGEST_DURATION_ERROR:
        return sound  # its peaks belong to something else too
    return replace(sound, duration=duration or sound.duration, peaks=peaks or sound.peaks)


def examine(
    path: Path,
    progress: Callable[[float], None] | None = None,
    limit: float = MAX_DURATION,
) -> Sound:
    """Decode the whole file once, in a limited process.

    `progress` gets the seconds decoded so far. Raises OSError, NoSound when there is no sound,
    Refused when it is not audio, damaged, cut short or longer than `limit` seconds, and
    MemocastError when the decoder was stopped.
    """
    format_ = identify(path)
    said = decoder.measured(path, format_, progress or (lambda _: None), limit)
    try:
        duration, peaks = said["duration"], bytes.fromhex(said["peaks"])
    except (KeyError, TypeError, ValueError):
        raise takes_too_much(path.name) from None
    # The process may have been taken over by what it decoded.
    is_duration = isinstance(duration, int) and 0 <= duration <= 1000 * min(limit + 1, _LONGEST)
    if not is_duration or len(peaks) > PEAK_SLICES:
        raise takes_too_much(path.name)
    return Sound(format_, duration, peaks)
