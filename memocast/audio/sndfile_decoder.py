"""Decodes a part of a file by libsndfile, in a limited process."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any, Self

from memocast.audio.codecs import SNDFILE
from memocast.audio.joined_files import Part, PartFile
from memocast.audio.refusals import check, cut_short, damaged, unusual_codec

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32] | NDArray[np.int16]

BLOCK_SAMPLES = 1 << 16
"""In all channels together: 256 kB. The size of a read does not depend on a file's claims."""

CUT_SECONDS = 0.1
"""A file with so much less sound than it claims is truncated."""

_MAX_FRAMES = 1 << 50
_FLAC_FRAMES = 4_096
"""The usual length of FLAC's own blocks."""

_READ_AHEAD = 1 << 14


def opened(name: str, source: Any) -> Any:
    """Open a `soundfile.SoundFile` on a file object or a descriptor, which it leaves open.

    `name` is for errors. Raises Refused for a codec, rate or channels that no memo has.
    """
    import soundfile

    file = soundfile.SoundFile(source, closefd=False)
    try:
        if file.subtype not in SNDFILE.get(file.format, ()):
            raise unusual_codec(name, f"{file.format} {file.subtype}")
        check(name, file.samplerate, file.channels)
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn libsndfile's errors in the block into Refused."""
    import soundfile

    try:
        yield
    except soundfile.SoundFileError as error:
        raise damaged(name) from error


def read(file: Any, frames: int) -> Samples:
    """Return the next frames as float32 of shape (n, channels)."""
    block: Samples = file.read(frames, dtype="float32", always_2d=True)
    return block


class SndfileDecoder:
    """A part decoded by libsndfile."""

    def __init__(self, name: str, raw: IO[bytes], part: Part, *, torn: bool) -> None:
        self._name = name
        self._raw = raw
        self._part = part
        self._torn = torn
        is_whole = not part.begin and not part.head and part.end == os.fstat(raw.fileno()).st_size
        if is_whole:
            os.lseek(raw.fileno(), 0, os.SEEK_SET)  # libsndfile begins where it stands
        # libsndfile reads a file faster itself than through PartFile.
        self._file = opened(name, raw.fileno() if is_whole else PartFile(raw, part))
        self._size = max(1, BLOCK_SAMPLES // self._file.channels)

    def __enter__(self) -> Self:
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
        done = file.seek(skip) if skip else 0
        while len(block := read(file, self._size)):
            done += len(block)
            yield file.samplerate, block
        if file.frames - done > file.samplerate * CUT_SECONDS:
            raise cut_short(self._name)

    def _of_unknown_length(self, skip: int) -> Iterator[tuple[int, Samples]]:
        """Yield the blocks of piped or unfinished FLAC, which has no length and ends in an error.

        A read that meets the error loses the frames before it in the same read, so
        the end is read a second time, frame by frame. If the error is far from the
        file's end, the file is damaged, unless it is `torn`.
        """
        import soundfile

        rate: int = self._file.samplerate
        done = 0
        with contextlib.suppress(soundfile.SoundFileError):
            while len(block := read(self._file, _FLAC_FRAMES)):
                done += len(block)
                if done > skip:
                    yield rate, block[-(done - skip) :]
        source = PartFile(self._raw, self._part)
        with opened(self._name, source) as again:
            with contextlib.suppress(soundfile.SoundFileError):
                while again.tell() < done:
                    read(again, _FLAC_FRAMES)
                while len(block := read(again, 1)):
                    done += 1
                    if done > skip:
                        yield rate, block
            unread = self._part.end - self._part.begin - source.tell()
            if unread > _READ_AHEAD and not self._torn:
                raise damaged(self._name, "damaged")
