"""Decoder: an audio file → its samples, block by block, whatever the file claims.

The rate, channels and length that a stranger's file claims are not used before they are
checked against limits here.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from typing import IO, TYPE_CHECKING, Any, Self

from memocast.audio.joined_files import MPEG_NAMES, Part, PartFile, parts
from memocast.audio.resampler import Resampler
from memocast.errors import MissingDecoder, Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

MAX_RATE = 768_000
"""Hz. The rate of the fastest converters; more is a lie."""

MAX_CHANNELS = 255
"""Vorbis and Opus count them in one byte."""

BLOCK_SAMPLES = 1 << 16
"""In all channels together: 256 kB. The size of a read does not depend on a file's claims."""

_MPEG_HEAD = 64
"""Bytes that contain the name of a first frame that counts the others."""

_MOST_BAD = 4
"""Invalid packets allowed in an MP3, plus one for each valid packet."""

_MAX_FRAMES = 1 << 50
_FLAC_FRAMES = 4_096
"""The usual length of FLAC's own blocks."""

_READ_AHEAD = 1 << 14

_DEMUXERS = {"webm": "matroska", "mka": "matroska", "m4a": "mov", "mp3": "mp3"}
"""The formats that FFmpeg decodes, by its demuxers' names; left to guess, it gets some wrong.

MP3 is here because libsndfile's decoder for it, mpg123, writes to the terminal.
"""


_CUT_SECONDS = 0.1
"""A file with so much less sound than it claims is truncated."""

_CUT_MEDIA_SECONDS = 0.5
"""The same, for containers that round their length."""


def blocks(
    path: Path,
    format_: str,
    start: float = 0.0,
    *,
    torn: bool = False,
    limit: float = math.inf,
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Rate and channels are the same in all blocks. With `torn`, an unfinished FLAC file yields
    what can be read. A file that claims to last longer than `limit` seconds is refused before
    it is decoded. Raises Refused.
    """
    uniform: Resampler | None = None
    for rate, block in _of_parts(path, format_, start, torn=torn, limit=limit):
        uniform = uniform or Resampler(rate, block.shape[1])
        for piece in uniform.take(rate, block):
            yield uniform.rate, piece
    if uniform:
        for piece in uniform.rest():
            yield uniform.rate, piece


def _of_parts(
    path: Path, format_: str, start: float, *, torn: bool, limit: float
) -> Iterator[tuple[int, Samples]]:
    """Yield as `blocks` does, with the rate and channels of each part."""
    found = parts(path, format_)
    before = 0.0
    with path.open("rb") as raw:
        for part in found:
            with _opened(path, raw, part, format_, torn=torn) as sound:
                if before + sound.seconds > limit:
                    raise too_long(path)
                skip = max(0.0, start - before)
                is_last = part is found[-1]
                if not sound.seconds and not is_last:
                    before += yield from _counted(sound, skip)
                    continue
                if is_last or sound.seconds > skip:
                    yield from sound.blocks(skip)
                before += sound.seconds


def _counted(sound: _Sndfile | _Media, skip: float) -> Generator[tuple[int, Samples], None, float]:
    """Yield blocks after `skip` seconds of a part of unknown length; return its seconds."""
    seconds = 0.0
    for rate, block in sound.blocks(0.0):
        left_out = max(0, round((skip - seconds) * rate))
        seconds += len(block) / rate
        if left_out < len(block):
            yield rate, block[left_out:]
    return seconds


def sound_file(path: Path) -> Any:
    """Open a `soundfile.SoundFile` for reading."""
    import soundfile

    # As bytes: a name need not be UTF-8.
    return soundfile.SoundFile(os.fsencode(path))


def opens(head: bytes) -> bool:
    """Return whether libsndfile accepts `head` as the beginning of an audio file."""
    import soundfile

    try:
        soundfile.SoundFile(io.BytesIO(head)).close()
    except soundfile.SoundFileError:
        return False
    return True


def too_long(path: Path) -> Refused:
    """Return the error for a file that lasts too long."""
    return Refused(f"{path.name} lasts longer than a day", hint="split it into parts")


def cut_short(path: Path) -> Refused:
    """Return the error for a file with less sound than it claims."""
    return Refused(
        f"{path.name} is cut short: it contains less sound than it claims",
        hint="to keep the part that is there: ffmpeg -i FILE whole.flac",
    )


def _damaged(path: Path, how: str) -> Refused:
    return Refused(f"{path.name} is {how}", hint="play it elsewhere, or fetch it again")


@contextlib.contextmanager
def _opened(
    path: Path, raw: IO[bytes], part: Part, format_: str, *, torn: bool
) -> Iterator[_Sndfile | _Media]:
    """Open a part for reading; its decoder's errors in the block become Refused."""
    if format_ in _DEMUXERS:
        with _media_translated(path), _Media(path, raw, part, _DEMUXERS[format_]) as media:
            yield media
        return
    import soundfile

    try:
        with _Sndfile(path, raw, part, torn=torn) as sound:
            yield sound
    except soundfile.SoundFileError as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error


def check(name: str, rate: int, channels: int) -> None:
    """Raise Refused for a rate (in Hz) or channels that no recorder makes."""
    if not 0 < rate <= MAX_RATE or not 0 < channels <= MAX_CHANNELS:
        raise Refused(
            f"{name} is damaged: it claims {rate:,} Hz and {channels:,} channels",
            hint="play it elsewhere, or fetch it again",
        )


class _Sndfile:
    """A part decoded by libsndfile."""

    def __init__(self, path: Path, raw: IO[bytes], part: Part, *, torn: bool) -> None:
        import soundfile

        self._path = path
        self._raw = raw
        self._part = part
        self._torn = torn
        is_whole = not part.begin and not part.head and part.end == os.fstat(raw.fileno()).st_size
        # libsndfile reads a file faster itself than through PartFile.
        self._file = sound_file(path) if is_whole else soundfile.SoundFile(PartFile(raw, part))
        self._size = max(1, BLOCK_SAMPLES // max(1, self._file.channels))

    def __enter__(self) -> Self:
        check(self._path.name, self._file.samplerate, self._file.channels)
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    @property
    def seconds(self) -> float:
        """Its claimed length; 0 if unknown."""
        frames: int = self._file.frames
        return frames / self._file.samplerate if frames <= _MAX_FRAMES else 0.0

    def blocks(self, start: float) -> Iterator[tuple[int, Samples]]:
        """Yield this part's blocks from `start` seconds on."""
        file = self._file
        skip = min(round(start * file.samplerate), file.frames)
        if file.frames > _MAX_FRAMES:
            yield from self._of_unknown_length(skip)
            return
        read = file.seek(skip) if skip else 0
        while len(block := _read(file, self._size)):
            read += len(block)
            yield file.samplerate, block
        if file.frames - read > file.samplerate * _CUT_SECONDS:
            raise cut_short(self._path)

    def _of_unknown_length(self, skip: int) -> Iterator[tuple[int, Samples]]:
        """Yield the blocks of piped or unfinished FLAC, which has no length and ends in an error.

        A read that meets the error loses the frames before it in the same read, so
        the end is read a second time, frame by frame. If the error is far from the
        file's end, the file is damaged, unless it is `torn`.
        """
        import soundfile

        rate: int = self._file.samplerate
        read = 0
        with contextlib.suppress(soundfile.SoundFileError):
            while len(block := _read(self._file, _FLAC_FRAMES)):
                read += len(block)
                if read > skip:
                    yield rate, block[-(read - skip) :]
        source = PartFile(self._raw, self._part)
        with soundfile.SoundFile(source) as again:
            with contextlib.suppress(soundfile.SoundFileError):
                while again.tell() < read:
                    _read(again, _FLAC_FRAMES)
                while len(block := _read(again, 1)):
                    read += 1
                    if read > skip:
                        yield rate, block
            unread = self._part.end - self._part.begin - source.tell()
            if unread > _READ_AHEAD and not self._torn:
                raise _damaged(self._path, "damaged")


def _read(file: Any, frames: int) -> Samples:
    block: Samples = file.read(frames, dtype="float32", always_2d=True)
    return block


class _Media:
    """A part decoded by FFmpeg."""

    def __init__(self, path: Path, raw: IO[bytes], part: Part, demuxer: str) -> None:
        import av

        self._path = path
        self._is_mpeg = demuxer == "mp3"
        # Without such a frame FFmpeg guesses the length, and the guess can be too long.
        head = os.pread(raw.fileno(), _MPEG_HEAD, part.begin)
        self._announces = not self._is_mpeg or any(name in head for name in MPEG_NAMES)
        # A file object, not a path: FFmpeg would take some names for protocols.
        self._container = av.open(
            PartFile(raw, part),
            "r",
            format=demuxer,
            options={"protocol_whitelist": ""},
            metadata_errors="replace",
        )

    def __enter__(self) -> Self:
        if not self._container.streams.audio:
            raise Refused(
                f"{self._path.name} contains no sound", hint="it may be a video or a picture"
            )
        self._stream = self._container.streams.audio[0]
        return self

    def __exit__(self, *failure: object) -> None:
        self._container.close()

    @property
    def seconds(self) -> float:
        """Its claimed length; 0 if unknown."""
        import av

        return max(0.0, float(self._container.duration or 0) / av.time_base)

    def blocks(self, start: float) -> Iterator[tuple[int, Samples]]:
        """Yield this part's blocks from `start` seconds on."""
        import av
        import numpy as np

        begin = float((self._stream.start_time or 0) * (self._stream.time_base or 0))
        if start:
            with contextlib.suppress(av.FFmpegError):  # else decode from the beginning
                self._container.seek(round((begin + start) * av.time_base))
        heard = position = 0.0
        for frame in self._frames():
            check(self._path.name, frame.sample_rate, frame.layout.nb_channels)
            position = position if frame.time is None else frame.time - begin
            position += frame.samples / frame.sample_rate
            heard += frame.samples / frame.sample_rate
            if position > start:
                plain = av.AudioResampler(format="fltp").resample(frame)[0]
                yield frame.sample_rate, plain.to_ndarray().T.astype(np.float32, copy=False)
        slack = _CUT_SECONDS if self._is_mpeg else _CUT_MEDIA_SECONDS
        if self._announces and not start and heard < self.seconds - slack:
            raise cut_short(self._path)

    def _frames(self) -> Iterator[Any]:
        """Yield the packets' frames. MPEG audio resynchronises after invalid data."""
        import av

        good = bad = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                bad += 1
                if not self._is_mpeg or bad > _MOST_BAD + good:
                    raise
                continue
            good += 1
            yield from frames


@contextlib.contextmanager
def _media_translated(path: Path) -> Iterator[None]:
    try:
        import av
    except ImportError as error:
        raise MissingDecoder(
            f"{path.name} needs the package 'av' to be decoded",
            hint="reinstall memocast as described in the README",
        ) from error
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error
