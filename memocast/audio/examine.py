"""Examine audio files: their format, length and waveform.

Files come from strangers, so their names are ignored: the first bytes choose one
known decoder, and only that decoder reads the file.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from memocast import limited_process
from memocast.audio import container_length, riff_chunks
from memocast.audio.decoder import blocks, cut_short, too_long
from memocast.audio.joined_files import behind_tags, parts
from memocast.errors import MissingDecoder, NoSound, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_DURATION = 24 * 3600
"""Seconds. A few kilobytes can decompress to years of silence."""

_HEAD_BYTES = 64

_BOUNDED = ("opus", "wav", "flac", "aiff")
"""Formats whose decoders take no more memory than the file's size. Starting a process for each
would take longer than decoding most voice memos."""

_BOUNDED_BYTES = 1 << 26
"""The largest file that is decoded in this process: one packet of Opus can be all of it."""

_DECODING_SECONDS = 3_600
"""Of CPU time. A day of Opus takes 400 on a fast core."""

_OPENING_SECONDS = 5
_SILENT_SECONDS = 60.0
"""The longest time without progress."""

_REFUSALS = {kind.__name__: kind for kind in (Refused, NoSound, MissingDecoder)}
_LONGEST_DURATION_ERROR = 100
"""Milliseconds. A claimed duration that differs more from the decoded one is ignored."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The result of decoding a file. `duration` is in milliseconds; `peaks` as in `Memo`."""

    format: str
    duration: int
    peaks: bytes


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
    if duration and peaks and (format_ := _lasting(path, duration)):
        return Sound(format_, duration, peaks)
    sound = examine(path, progress)
    if duration and abs(duration - sound.duration) > _LONGEST_DURATION_ERROR:
        return sound  # its peaks belong to something else too
    return replace(sound, duration=duration or sound.duration, peaks=peaks or sound.peaks)


def _lasting(path: Path, claimed: int) -> str | None:
    """Return the format if the container's length is about `claimed` milliseconds, else None."""
    format_ = identify(path)
    found = container_length.duration(path, format_)
    if found is None or abs(found * 1000 - claimed) > _LONGEST_DURATION_ERROR:
        return None
    only, *others = parts(path, format_)
    if others or only.head:
        return None
    if format_ == "wav":
        _refuse_cut_container(path, format_)
    return format_ if found <= MAX_DURATION else None


def examine(
    path: Path,
    progress: Callable[[float], None] | None = None,
    limit: float = MAX_DURATION,
) -> Sound:
    """Decode the whole file once, in a limited process unless its format bounds memory.

    `progress` gets the seconds decoded so far. Raises OSError, NoSound when there is no sound,
    and Refused when it is not audio, damaged, cut short or longer than `limit` seconds.
    """
    tell = progress or (lambda _: None)
    format_ = identify(path)
    is_small = path.stat().st_size <= _BOUNDED_BYTES
    if format_ in _BOUNDED and is_small and len(parts(path, format_)) == 1:
        return decode(path, tell, limit)
    asked = {"path": os.fsencode(path).hex(), "limit": limit}
    try:
        said = limited_process.run(
            "memocast.audio.examine_process",
            json.dumps(asked).encode(),
            _DECODING_SECONDS,
            tell=tell,
            patience=_SILENT_SECONDS,
        )
    except limited_process.Exceeded:
        raise _takes_too_much(path) from None
    if "errno" in said:
        raise OSError(said["errno"], said["why"], str(path))
    if "refused" in said:
        refusal = _REFUSALS[said["refused"]]
        raise refusal(said["message"], hint=said["hint"])
    return Sound(said["format"], said["duration"], bytes.fromhex(said["peaks"]))


def refuse_head(head: bytes) -> None:
    """Raise Refused unless libsndfile opens a file with this beginning, in a limited process.

    The code books of a Vorbis header can take gigabytes; the data after it cannot.
    """
    asked = json.dumps({"head": head.hex()}).encode()
    try:
        is_good = limited_process.run("memocast.audio.examine_process", asked, _OPENING_SECONDS)
    except limited_process.Exceeded:
        is_good = False
    if not is_good:
        raise Refused("the arriving audio is damaged", hint="see the error of 'fetch'")


def decode(path: Path, progress: Callable[[float], None], limit: float) -> Sound:
    """Decode in this process, where a stranger's file can take any amount of time and memory."""
    from memocast.audio.peaks import Peaks

    format_ = identify(path)
    _refuse_cut_container(path, format_)
    peaks: Peaks | None = None
    rate = 0
    until = time.thread_time() + _DECODING_SECONDS
    for rate, block in blocks(path, format_, limit=limit):
        peaks = peaks or Peaks(rate)
        peaks.feed(block)
        if peaks.frames > limit * rate:
            raise too_long(path)
        if time.thread_time() > until:
            raise _takes_too_much(path)
        progress(peaks.frames / rate)
    if peaks is None or not peaks.frames:
        raise NoSound(f"{path.name} contains no sound", hint="play it elsewhere to see what it is")
    return Sound(format_, round(peaks.frames * 1000 / rate), peaks.slices())


def _takes_too_much(path: Path) -> Refused:
    return Refused(
        f"{path.name} takes too much time or memory to decode",
        hint="if you trust it, convert it: ffmpeg -i FILE sound.flac",
    )


def _refuse_cut_container(path: Path, format_: str) -> None:
    """Raise Refused for truncation that decoders ignore."""
    if format_ in ("wav", "aiff"):
        last = parts(path, format_)[-1]
        with path.open("rb") as file:
            file.seek(last.begin)
            announced = riff_chunks.announced(last.head or file.read(8))
        if announced is not None and announced > last.end - last.begin + 1:
            raise cut_short(path)
    if format_ in ("opus", "ogg"):
        with path.open("rb") as file:
            if whole_ogg_pages(file)[0] < os.fstat(file.fileno()).st_size:
                raise cut_short(path)


def whole_ogg_pages(file: IO[bytes]) -> tuple[int, int]:
    """Return the bytes of whole Ogg pages (RFC 3533) at the file's start, and their number."""
    from mutagen import ogg

    file.seek(0)
    end = pages = 0
    try:
        while True:
            ogg.OggPage(file)  # type: ignore[no-untyped-call]
            end = file.tell()
            pages += 1
    except (EOFError, ogg.error):
        return end, pages
