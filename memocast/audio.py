"""What an audio file is, how long it lasts, and how loud it is along the way.

Files arrive from strangers, so nothing here goes by a file's name: its first
bytes choose one known decoder, and only that one ever sees it.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

from memocast import container
from memocast.errors import MissingDecoder, NoSound, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

MAX_DURATION = 24 * 3600
"""Seconds. A few kilobytes can decompress to years of silence; nobody speaks longer."""

_LONGEST_DURATION_ERROR = 100
"""Milliseconds. A claimed duration further from the decoded one is not believed."""

_MAX_FRAMES = 1 << 50
FLAC_FRAMES = 4_096
"""The usual length of FLAC's own blocks."""
_UNKNOWN_LENGTH = 0x7FFF_0000
_READ_AHEAD = 1 << 14

_DEMUXERS = {"webm": "matroska", "mka": "matroska", "m4a": "mov"}
"""FFmpeg's names; left to guess, it takes some files for what their first bytes are not."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What decoding a file told. `duration` is in milliseconds; `peaks` as in `Memo`."""

    format: str
    duration: int
    peaks: bytes


def identify(path: Path) -> str:
    """The format by the file's first bytes, as a file extension. Raises Refused."""
    with path.open("rb") as file:
        head = file.read(64)
    format_ = format_of(head)
    if format_ is None:
        if not head:
            raise NoSound(f"{path.name} is empty", hint="record or copy it again")
        raise Refused(
            f"{path.name} is not audio that memocast knows",
            hint="memocast keeps Opus, Ogg, FLAC, WAV, MP3, AIFF, M4A and WebM",
        )
    return format_


def format_of(head: bytes) -> str | None:
    """The format of a file that begins so, as a file extension."""
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


def confirmed(
    path: Path,
    duration: int | None,
    peaks: bytes | None,
    progress: Callable[[float], None] | None = None,
) -> Sound:
    """What a file is that came with its `duration` in milliseconds and its `peaks`.

    It is decoded, as by `examine`, only where it does not come with both, or
    where nothing but that can tell whether it is whole and lasts so long.
    """
    if duration and peaks and (format_ := _lasting(path, duration)):
        return Sound(format_, duration, peaks)
    sound = examine(path, progress)
    if duration and abs(duration - sound.duration) <= _LONGEST_DURATION_ERROR:
        sound = replace(sound, duration=duration)
    return replace(sound, peaks=peaks or sound.peaks)


def _lasting(path: Path, claimed: int) -> str | None:
    """The format, when the file itself says that it lasts about `claimed` milliseconds."""
    format_ = identify(path)
    found = container.duration(path, format_)
    if found is None or abs(found * 1000 - claimed) > _LONGEST_DURATION_ERROR:
        return None
    if format_ == "wav":
        _refuse_cut_container(path, format_)
    return format_ if found <= MAX_DURATION else None


def examine(
    path: Path,
    progress: Callable[[float], None] | None = None,
    limit: float = MAX_DURATION,
) -> Sound:
    """Decode the whole file once; `progress` hears the seconds decoded so far.

    Raises NoSound when there is none in it, and Refused when it is not audio,
    damaged, cut short or longer than `limit` seconds.
    """
    from memocast.peaks import Peaks

    format_ = identify(path)
    _refuse_cut_container(path, format_)
    peaks: Peaks | None = None
    rate = 0
    for rate, block in blocks(path, format_, limit=limit):
        peaks = peaks or Peaks(rate)
        peaks.feed(block)
        if peaks.frames > limit * rate:
            raise _too_long(path)
        if progress:
            progress(peaks.frames / rate)
    if peaks is None or not peaks.frames:
        raise NoSound(f"{path.name} holds no sound", hint="play it elsewhere to see what it is")
    return Sound(format_, round(peaks.frames * 1000 / rate), peaks.slices())


def blocks(
    path: Path,
    format_: str,
    start: float = 0.0,
    *,
    torn: bool = False,
    limit: float = math.inf,
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    With `torn`, a FLAC file that was never finished yields what can be read.
    A file that claims to last longer than `limit` seconds yields nothing.
    Raises Refused.
    """
    if format_ in _DEMUXERS:
        return _media_blocks(path, _DEMUXERS[format_], start, limit)
    return _sound_blocks(path, start, torn=torn, limit=limit)


def _sound_blocks(
    path: Path, start: float, *, torn: bool, limit: float
) -> Iterator[tuple[int, Samples]]:
    import soundfile

    try:
        with sound_file(path) as file:
            if limit * file.samplerate < file.frames <= _MAX_FRAMES:
                raise _too_long(path)
            skip = min(round(start * file.samplerate), file.frames)
            if file.frames > _MAX_FRAMES:
                yield from _of_unknown_length(path, file, skip, torn=torn)
                return
            read = file.seek(skip) if skip else 0
            while len(block := _read(file, max(file.samplerate, FLAC_FRAMES))):
                read += len(block)
                yield file.samplerate, block
            if file.frames - read > file.samplerate // 10:
                raise _cut_short(path)
    except soundfile.SoundFileError as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error


def _of_unknown_length(
    path: Path, file: Any, skip: int, *, torn: bool
) -> Iterator[tuple[int, Samples]]:
    """FLAC that was piped or never finished tells no length, and its end reads as an error.

    A read that meets the error loses what came before it in the same read, so
    the end is read a second time, frame by frame. An error far from the file's
    end was none: unless `torn`, the file is then damaged.
    """
    import soundfile

    read = 0
    with contextlib.suppress(soundfile.SoundFileError):
        while len(block := _read(file, FLAC_FRAMES)):
            read += len(block)
            if read > skip:
                yield file.samplerate, block[-(read - skip) :]
    with path.open("rb") as raw, soundfile.SoundFile(raw) as again:
        with contextlib.suppress(soundfile.SoundFileError):
            while again.tell() < read:
                _read(again, FLAC_FRAMES)
            while len(block := _read(again, 1)):
                read += 1
                if read > skip:
                    yield file.samplerate, block
        unread = os.fstat(raw.fileno()).st_size - raw.tell()
        if unread > _READ_AHEAD and not torn:
            raise _damaged(path, "damaged")


def _read(file: Any, frames: int) -> Samples:
    block: Samples = file.read(frames, dtype="float32", always_2d=True)
    return block


def sound_file(path: Path) -> Any:
    """A `soundfile.SoundFile` open for reading."""
    import soundfile

    # As bytes: a name that is not UTF-8 is a name all the same.
    return soundfile.SoundFile(os.fsencode(path))


def _media_blocks(
    path: Path, demuxer: str, start: float, limit: float
) -> Iterator[tuple[int, Samples]]:
    try:
        import av
    except ImportError as error:
        raise MissingDecoder(
            f"{path.name} is WebM or M4A audio, which needs the package 'av'",
            hint="install memocast again, as the README says",
        ) from error
    import numpy as np

    try:
        # A file object, not a path: FFmpeg would take some names for protocols.
        with (
            path.open("rb") as raw,
            av.open(raw, "r", format=demuxer, options={"protocol_whitelist": ""}) as container,
        ):
            if not container.streams.audio:
                raise Refused(f"{path.name} holds no sound", hint="it may be a film or a picture")
            declared = float(container.duration or 0) / av.time_base
            if declared > limit:
                raise _too_long(path)
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp")
            seconds = 0.0
            for frame in container.decode(stream):
                for plain in resampler.resample(frame):
                    seconds += plain.samples / plain.sample_rate
                    if seconds > start:
                        yield plain.sample_rate, plain.to_ndarray().T.astype(np.float32, copy=False)
            if declared and seconds < declared - 0.5:
                raise _cut_short(path)
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error


def _too_long(path: Path) -> Refused:
    return Refused(f"{path.name} lasts longer than a day", hint="cut it into parts")


def _damaged(path: Path, how: str) -> Refused:
    return Refused(f"{path.name} is {how}", hint="play it elsewhere, or fetch it again")


def _cut_short(path: Path) -> Refused:
    return Refused(
        f"{path.name} is cut short: it holds less sound than it announces",
        hint="'ffmpeg -i FILE whole.flac' makes a whole file of what is there",
    )


def _refuse_cut_container(path: Path, format_: str) -> None:
    """Catch the cuts that decoders pass over in silence."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if format_ in ("wav", "aiff"):
            head = file.read(8)
            order = ">" if head.startswith(b"FORM") else "<"
            announced = struct.unpack(order + "I", head[4:8])[0]
            # Programs that write to a pipe announce nothing, or about as much as fits.
            if announced < _UNKNOWN_LENGTH and announced + 8 > size + 1:
                raise _cut_short(path)
        if format_ in ("opus", "ogg") and whole_ogg_pages(file)[0] < size:
            raise _cut_short(path)


def whole_ogg_pages(file: IO[bytes]) -> tuple[int, int]:
    """How many bytes from the file's start are whole Ogg pages (RFC 3533), and how many pages."""
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
