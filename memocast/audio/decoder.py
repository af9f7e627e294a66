"""Decoder: an audio file → its samples, block by block, whatever it claims of itself.

What a stranger's file says of its rate, channels and length decides nothing that is not
bounded here first.
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
"""Hz. The fastest converters there are; more is a lie."""

MAX_CHANNELS = 255
"""Vorbis and Opus count them in one byte."""

BLOCK_SAMPLES = 1 << 16
"""In all channels together: 256 kB. What is read at once does not grow with what a file claims."""

_MPEG_HEAD = 64
"""Bytes, in which a first frame that tells of all others has its name."""

_MOST_BAD = 4
"""Packets in an MP3 that are none; more only among as many that are."""

_MAX_FRAMES = 1 << 50
_FLAC_FRAMES = 4_096
"""The usual length of FLAC's own blocks."""

_READ_AHEAD = 1 << 14

_DEMUXERS = {"webm": "matroska", "mka": "matroska", "m4a": "mov", "mp3": "mp3"}
"""What FFmpeg reads, by its own names; left to guess, it takes some files for what they are not.

MP3 is among them because mpg123, which libsndfile has for it, writes to the terminal.
"""


_CUT_SECONDS = 0.1
"""So much less than is announced, and the file was cut short."""

_CUT_MEDIA_SECONDS = 0.5
"""The same, where containers round what they announce."""


def blocks(
    path: Path,
    format_: str,
    start: float = 0.0,
    *,
    torn: bool = False,
    limit: float = math.inf,
) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Rate and channels are the same from the first block to the last. With `torn`, a FLAC file
    that was never finished yields what can be read. What claims to last longer than `limit`
    seconds is refused before it is decoded. Raises Refused.
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
    """As `blocks`, at the rate and with the channels of each part."""
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
    """What comes after `skip` seconds of a part that does not say how long it lasts; its length."""
    seconds = 0.0
    for rate, block in sound.blocks(0.0):
        left_out = max(0, round((skip - seconds) * rate))
        seconds += len(block) / rate
        if left_out < len(block):
            yield rate, block[left_out:]
    return seconds


def sound_file(path: Path) -> Any:
    """A `soundfile.SoundFile` open for reading."""
    import soundfile

    # As bytes: a name that is not UTF-8 is a name all the same.
    return soundfile.SoundFile(os.fsencode(path))


def opens(head: bytes) -> bool:
    """Whether libsndfile takes the first bytes of a file for the beginning of one."""
    import soundfile

    try:
        soundfile.SoundFile(io.BytesIO(head)).close()
    except soundfile.SoundFileError:
        return False
    return True


def too_long(path: Path) -> Refused:
    """What lasts longer than is allowed is refused with this."""
    return Refused(f"{path.name} lasts longer than a day", hint="cut it into parts")


def cut_short(path: Path) -> Refused:
    """What holds less than it announces is refused with this."""
    return Refused(
        f"{path.name} is cut short: it holds less sound than it announces",
        hint="'ffmpeg -i FILE whole.flac' makes a whole file of what is there",
    )


def _damaged(path: Path, how: str) -> Refused:
    return Refused(f"{path.name} is {how}", hint="play it elsewhere, or fetch it again")


@contextlib.contextmanager
def _opened(
    path: Path, raw: IO[bytes], part: Part, format_: str, *, torn: bool
) -> Iterator[_Sndfile | _Media]:
    """The part, open for reading. What its decoder raises in the block comes out as Refused."""
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
    """Raises Refused for what no recorder makes: `rate` in Hz."""
    if not 0 < rate <= MAX_RATE or not 0 < channels <= MAX_CHANNELS:
        raise Refused(
            f"{name} is damaged: it claims {rate:,} Hz and {channels:,} channels",
            hint="play it elsewhere, or fetch it again",
        )


class _Sndfile:
    """A part that libsndfile decodes."""

    def __init__(self, path: Path, raw: IO[bytes], part: Part, *, torn: bool) -> None:
        import soundfile

        self._path = path
        self._raw = raw
        self._part = part
        self._torn = torn
        is_whole = not part.begin and not part.head and part.end == os.fstat(raw.fileno()).st_size
        # libsndfile reads a file by itself faster than by calls of ours.
        self._file = sound_file(path) if is_whole else soundfile.SoundFile(PartFile(raw, part))
        self._size = max(1, BLOCK_SAMPLES // max(1, self._file.channels))

    def __enter__(self) -> Self:
        check(self._path.name, self._file.samplerate, self._file.channels)
        return self

    def __exit__(self, *failure: object) -> None:
        self._file.close()

    @property
    def seconds(self) -> float:
        """What it claims to last; 0 where it does not say."""
        frames: int = self._file.frames
        return frames / self._file.samplerate if frames <= _MAX_FRAMES else 0.0

    def blocks(self, start: float) -> Iterator[tuple[int, Samples]]:
        """As `blocks` of the module, of this part."""
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
        """FLAC that was piped or never finished tells no length, and its end reads as an error.

        A read that meets the error loses what came before it in the same read, so
        the end is read a second time, frame by frame. An error far from the file's
        end was none: unless it is `torn`, the file is then damaged.
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
    """A part that FFmpeg decodes."""

    def __init__(self, path: Path, raw: IO[bytes], part: Part, demuxer: str) -> None:
        import av

        self._path = path
        self._is_mpeg = demuxer == "mp3"
        # What is not announced is guessed, and the guess can be too long.
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
            raise Refused(f"{self._path.name} holds no sound", hint="it may be a film or a picture")
        self._stream = self._container.streams.audio[0]
        return self

    def __exit__(self, *failure: object) -> None:
        self._container.close()

    @property
    def seconds(self) -> float:
        """What it claims to last; 0 where it does not say."""
        import av

        return max(0.0, float(self._container.duration or 0) / av.time_base)

    def blocks(self, start: float) -> Iterator[tuple[int, Samples]]:
        """As `blocks` of the module, of this part."""
        import av
        import numpy as np

        begin = float((self._stream.start_time or 0) * (self._stream.time_base or 0))
        if start:
            with contextlib.suppress(av.FFmpegError):  # from the beginning, then
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
        """What the packets hold. MPEG audio finds its way again behind what is none."""
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
            hint="install memocast again, as the README says",
        ) from error
    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        raise _damaged(path, "damaged, cut short, or not audio") from error
