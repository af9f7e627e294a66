"""Measures a stranger's file in a limited process: is it whole, how long and how loud is it."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from memocast.audio.container_length import refuse_cut_riff
from memocast.audio.parts_decoder import decode
from memocast.audio.refusals import cut_short, too_long
from memocast.audio.sound import Sound
from memocast.errors import NoSound

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.audio.joined_files import Part


def measure(
    name: str,
    file: IO[bytes],
    format_: str,
    parts: list[Part],
    progress: Callable[[float], None],
    limit: float,
) -> Sound:
    """Decode all parts of the file once; `progress` gets the seconds decoded so far.

    Raises OSError, NoSound when there is no sound, and Refused when it is not audio, damaged, cut
    short or longer than `limit` seconds.
    """
    from memocast.audio.peaks import Peaks

    _refuse_cut_container(name, file, format_, parts[-1])
    peaks: Peaks | None = None
    rate = 0
    for rate, block in decode(name, file, format_, parts, limit=limit):
        peaks = peaks or Peaks(rate)
        peaks.feed(block)
        if peaks.frames > limit * rate:
            raise too_long(name)
        progress(peaks.frames / rate)
    if peaks is None or not peaks.frames:
        raise NoSound(f"{name} contains no sound", hint="play it elsewhere to see what it is")
    return Sound(format_, round(peaks.frames * 1000 / rate), peaks.slices())


def _refuse_cut_container(name: str, file: IO[bytes], format_: str, last: Part) -> None:
    """Raise Refused for truncation that decoders ignore."""
    if format_ in ("wav", "aiff"):
        refuse_cut_riff(name, file, last)
    if format_ in ("opus", "ogg") and whole_ogg_pages(file)[0] < os.fstat(file.fileno()).st_size:
        raise cut_short(name)


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
