"""Decodes one sound file that is still arriving, in a limited process."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from memocast.audio.refusals import INCOMING
from memocast.audio.sndfile_decoder import BLOCK_SAMPLES, opened, read
from memocast.errors import Refused
from memocast.processes import limited_process_child
from memocast.random_access import RandomAccess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.audio.sndfile_decoder import Samples

_BLOCK_SECONDS = 0.2
_ASKED_BYTES = 1 << 16


class _Asked(RandomAccess):
    """A file that another process reads for us, with what it sent last."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._begin = 0
        self._content = b""

    def read_at(self, position: int, count: int) -> bytes:
        """Return up to `count` bytes from `position`; none only at the end."""
        if not self._begin <= position < self._begin + len(self._content):
            self._begin = position
            self._content = limited_process_child.read(position, max(count, _ASKED_BYTES))
        offset = position - self._begin
        return self._content[offset : offset + count]


class Growing:
    """A sound file in a pipe, or one of `size` bytes of which any place can be asked for."""

    def __init__(self, pipe: IO[bytes] | None, size: int) -> None:
        import soundfile

        try:
            # A pipe, because in a file libsndfile seeks the end of an Ogg stream before it decodes.
            self._file: Any = opened(INCOMING, pipe.fileno() if pipe else _Asked(size))
        except soundfile.SoundFileError as error:
            raise _damaged() from error
        self._is_pipe = pipe is not None

    @property
    def seconds(self) -> float:
        """Its claimed length."""
        return float(self._file.frames / self._file.samplerate)

    def blocks(self, start: float) -> Iterator[tuple[int, Samples]]:
        """Yield as `parts_decoder.decode` does. Raises Refused."""
        import soundfile

        file = self._file
        skip = round(start * file.samplerate)
        try:
            if not self._is_pipe:
                file.seek(min(skip, file.frames))
                skip = 0
            size = min(round(file.samplerate * _BLOCK_SECONDS), BLOCK_SAMPLES // file.channels)
            while len(block := read(file, max(1, size))):
                if skip < len(block):
                    yield file.samplerate, block[skip:]
                skip = max(0, skip - len(block))
        except soundfile.SoundFileError as error:
            raise _damaged() from error


def _damaged() -> Refused:
    return Refused(f"{INCOMING} is damaged", hint="see the error from 'fetch'")
