"""Streaming: the sound of a file that is still arriving."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

from memocast.audio import FLAC_FRAMES, format_of
from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.audio import Samples
    from memocast.growing import View

_FORMATS = ("opus", "ogg", "wav", "flac")
"""Those that can be played from their beginning while the rest is still missing."""

_CHUNK_BYTES = 1 << 14
_BLOCK_SECONDS = 0.2


def streamed(open_: Callable[[], View], start: float = 0.0) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Nothing of formats that take the whole file. Raises Refused.
    """
    import soundfile

    with contextlib.ExitStack() as closing:
        source = open_()
        closing.callback(source.stop)
        format_ = format_of(source.read(64) or b"")
        source.seek(0)
        if format_ not in _FORMATS:
            return
        try:
            if start or format_ == "flac":
                file = closing.enter_context(soundfile.SoundFile(source))
                file.seek(min(round(start * file.samplerate), file.frames))
            else:
                # In a file, libsndfile looks for the end of an Ogg stream before it decodes.
                file = closing.enter_context(soundfile.SoundFile(_piped(source), closefd=True))
            frames = max(round(file.samplerate * _BLOCK_SECONDS), FLAC_FRAMES)
            while len(block := file.read(frames, dtype="float32", always_2d=True)):
                yield file.samplerate, block
        except soundfile.SoundFileError as error:
            raise Refused("what arrives is damaged", hint="see the error of 'fetch'") from error


def _piped(source: View) -> int:
    """A pipe that a thread writes the source into, until the other end is closed."""
    reader, writer = os.pipe()

    def pump() -> None:
        with contextlib.suppress(OSError), os.fdopen(writer, "wb", buffering=0) as pipe:
            while chunk := source.read(_CHUNK_BYTES):
                pipe.write(chunk)

    threading.Thread(target=pump, name="pump", daemon=True).start()
    return reader
