"""Decodes a file part by part, whatever it claims, in a limited process.

The rate, channels and length that a stranger's file claims are not used before they are
checked against limits of ours.
"""

from __future__ import annotations

import contextlib
import math
from typing import IO, TYPE_CHECKING

from memocast.audio import ffmpeg_decoder, sndfile_decoder
from memocast.audio.codecs import DEMUXERS
from memocast.audio.ffmpeg_decoder import FfmpegDecoder
from memocast.audio.refusals import too_long
from memocast.audio.resampler import Resampler
from memocast.audio.sndfile_decoder import SndfileDecoder

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from memocast.audio.joined_files import Part
    from memocast.audio.sndfile_decoder import Samples


def decode(
    name: str,
    file: IO[bytes],
    format_: str,
    parts: list[Part],
    start: float = 0.0,
    *,
    torn: bool = False,
    limit: float = math.inf,
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    `parts` are those that `joined_files.parts` finds in the file.
    Rate and channels are the same in all blocks. With `torn`, an unfinished FLAC file yields
    what can be read. A file that claims to last longer than `limit` seconds is refused before
    it is decoded. `name` is for errors. Raises Refused.
    """
    uniform: Resampler | None = None
    for rate, block in _of_parts(name, file, format_, parts, start, torn=torn, limit=limit):
        uniform = uniform or Resampler(rate, block.shape[1])
        for piece in uniform.take(rate, block):
            yield uniform.rate, piece
    if uniform:
        for piece in uniform.rest():
            yield uniform.rate, piece


def _of_parts(
    name: str,
    file: IO[bytes],
    format_: str,
    parts: list[Part],
    start: float,
    *,
    torn: bool,
    limit: float,
) -> Iterator[tuple[int, Samples]]:
    """Yield as `decode` does, with the rate and channels of each part."""
    before = 0.0
    for part in parts:
        with _opened(name, file, part, format_, torn=torn) as sound:
            if before + sound.seconds > limit:
                raise too_long(name)
            skip = max(0.0, start - before)
            is_last = part is parts[-1]
            if not sound.seconds and not is_last:
                before += yield from _counted(sound, skip)
                continue
            if is_last or sound.seconds > skip:
                yield from sound.blocks(skip)
            before += sound.seconds


def _counted(
    sound: SndfileDecoder | FfmpegDecoder, skip: float
) -> Generator[tuple[int, Samples], None, float]:
    """Yield blocks after `skip` seconds of a part of unknown length; return its seconds."""
    seconds = 0.0
    for rate, block in sound.blocks(0.0):
        left_out = max(0, round((skip - seconds) * rate))
        seconds += len(block) / rate
        if left_out < len(block):
            yield rate, block[left_out:]
    return seconds


@contextlib.contextmanager
def _opened(
    name: str, file: IO[bytes], part: Part, format_: str, *, torn: bool
) -> Iterator[SndfileDecoder | FfmpegDecoder]:
    """Open a part for reading; its decoder's errors in the block become Refused."""
    if format_ in DEMUXERS:
        with (
            ffmpeg_decoder.translated(name),
            FfmpegDecoder(name, file, part, DEMUXERS[format_]) as media,
        ):
            yield media
        return
    with (
        sndfile_decoder.translated(name),
        SndfileDecoder(name, file, part, torn=torn) as sound,
    ):
        yield sound
