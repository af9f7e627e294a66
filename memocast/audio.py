"""What an audio file is, how long it lasts, and how loud it is along the way.

Files arrive from strangers, so nothing here goes by a file's name: its first
bytes choose one known decoder, and only that one ever sees it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from memocast.errors import MissingDecoder, NoSound, Refused
from memocast.memo import PEAK_SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

MAX_DURATION = 24 * 3600
"""Seconds. A few kilobytes can decompress to years of silence; nobody speaks longer."""

_PEAK_RATE = 100
"""Peaks are gathered a hundred times a second before they are reduced to slices."""

_MOST_PEAKS = 1 << 15
"""Past this many (the first time after 5.5 minutes), each two become one: memory is constant."""

_MAX_FRAMES = 1 << 50
FLAC_FRAMES = 4_096
"""The usual length of FLAC's own blocks."""
_UNKNOWN_LENGTH = 0x7FFF_0000
_READ_AHEAD = 1 << 14

_MEDIA_FORMATS = {"webm", "mka", "m4a"}


@dataclass(frozen=True, slots=True)
class Sound:
    """What decoding a file told. `duration` is in milliseconds; `peaks` as in `Memo`."""

    format: str
    duration: int
    peaks: bytes


class Peaks:
    """Peak amplitudes of audio that arrives block by block.

    A frame is one sample of every channel. Amplitudes are linear, 255 = full
    scale, the maximum over the channels.
    """

    def __init__(self, sample_rate: int) -> None:
        self.frames = 0
        self._window = max(1, sample_rate // _PEAK_RATE)
        self._gathered = bytearray()

    def feed(self, block: Samples) -> int:
        """Take a block of shape (frames, channels), int16 or float32; return its peak."""
        import numpy as np

        if not len(block):
            return 0
        if block.dtype == np.int16:
            # In int16 the absolute value of -32768 is -32768.
            loud = np.abs(block.astype(np.int32)).max(axis=1) / 32_768.0
        else:
            loud = np.nan_to_num(np.abs(block), nan=0.0, posinf=1.0).max(axis=1)
        levels = np.minimum(np.round(loud * 255), 255).astype(np.uint8)
        self._gather(levels)
        self.frames += len(block)
        return int(min(round(float(loud.max()) * 255), 255))

    def _gather(self, levels: NDArray[np.uint8]) -> None:
        import numpy as np

        # The first samples may belong to a window that the last block began.
        offset = self.frames % self._window
        if offset:
            begun = levels[: self._window - offset]
            self._gathered[-1] = max(self._gathered[-1], int(begun.max()))
            levels = levels[self._window - offset :]
        if len(levels):
            starts = np.arange(0, len(levels), self._window)
            self._gathered += np.maximum.reduceat(levels, starts).tobytes()
        if len(self._gathered) > _MOST_PEAKS:
            self._halve()

    def _halve(self) -> None:
        # An odd one at the end goes on being gathered, now for twice as long.
        self._gathered = bytearray(
            max(self._gathered[start : start + 2]) for start in range(0, len(self._gathered), 2)
        )
        self._window *= 2

    def slices(self, count: int = PEAK_SLICES) -> bytes:
        """At most `count` peaks, each of an equal part of what was fed."""
        total = len(self._gathered)
        count = min(count, total)
        edges = [index * total // count for index in range(count + 1)] if count else []
        return bytes(max(self._gathered[start:end]) for start, end in itertools.pairwise(edges))


def identify(path: Path) -> str:
    """The format by the file's first bytes, as a file extension. Raises Refused."""
    with path.open("rb") as file:
        head = file.read(64)
    format_ = _format_of(head)
    if format_ is None:
        if not head:
            raise NoSound(f"{path.name} is empty", hint="record or copy it again")
        raise Refused(
            f"{path.name} is not audio that memocast knows",
            hint="memocast keeps Opus, Ogg, FLAC, WAV, MP3, AIFF, and with the extra 'media'"
            " also M4A and WebM",
        )
    return format_


def _format_of(head: bytes) -> str | None:
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


def examine(
    path: Path,
    progress: Callable[[float], None] | None = None,
    limit: float = MAX_DURATION,
) -> Sound:
    """Decode the whole file once; `progress` hears the seconds decoded so far.

    Raises NoSound when there is none in it, and Refused when it is not audio,
    damaged, cut short or longer than `limit` seconds.
    """
    format_ = identify(path)
    _refuse_cut_container(path, format_)
    peaks: Peaks | None = None
    rate = 0
    for rate, block in blocks(path, format_):
        peaks = peaks or Peaks(rate)
        peaks.feed(block)
        if peaks.frames > limit * rate:
            raise Refused(f"{path.name} lasts longer than a day", hint="cut it into parts")
        if progress:
            progress(peaks.frames / rate)
    if peaks is None or not peaks.frames:
        raise NoSound(f"{path.name} holds no sound", hint="play it elsewhere to see what it is")
    return Sound(format_, round(peaks.frames * 1000 / rate), peaks.slices())


def blocks(
    path: Path, format_: str, start: float = 0.0, *, torn: bool = False
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    With `torn`, a FLAC file that was never finished yields what can be read.
    Raises Refused.
    """
    if format_ in _MEDIA_FORMATS:
        return _media_blocks(path, start)
    return _sound_blocks(path, start, torn=torn)


def _sound_blocks(path: Path, start: float, *, torn: bool) -> Iterator[tuple[int, Samples]]:
    import soundfile

    try:
        with sound_file(path) as file:
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


def _media_blocks(path: Path, start: float) -> Iterator[tuple[int, Samples]]:
    try:
        import av
    except ImportError as error:
        raise MissingDecoder(
            f"{path.name} is WebM or M4A audio, which needs the extra 'media'",
            hint="install memocast again with it, as the README says: '.[media]'",
        ) from error
    import numpy as np

    try:
        # A file object, not a path: FFmpeg would take some names for protocols.
        with (
            path.open("rb") as raw,
            av.open(raw, "r", options={"protocol_whitelist": ""}) as container,
        ):
            if not container.streams.audio:
                raise Refused(f"{path.name} holds no sound", hint="it may be a film or a picture")
            stream = container.streams.audio[0]
            resampler = av.AudioResampler(format="fltp")
            seconds = 0.0
            for frame in container.decode(stream):
                for plain in resampler.resample(frame):
                    seconds += plain.samples / plain.sample_rate
                    if seconds > start:
                        yield plain.sample_rate, plain.to_ndarray().T.astype(np.float32, copy=False)
            declared = float(container.duration or 0) / av.time_base
            if declared and seconds < declared - 0.5:
                raise _cut_short(path)
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error


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
