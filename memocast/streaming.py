"""Streaming: the sound of a file that is still arriving."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import threading
from typing import TYPE_CHECKING, Any

from memocast.audio import format_of
from memocast.decoder import BLOCK_SAMPLES, check
from memocast.errors import Refused
from memocast.parts import MOST_PARTS
from memocast.uniform import Uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.decoder import Samples
    from memocast.growing import View

_FORMATS = ("opus", "ogg", "wav", "flac")
"""Those that can be played from their beginning while the rest is still missing."""

_CHUNK_BYTES = 1 << 14
_BLOCK_SECONDS = 0.2
_OGG_HEADER = 27
_OGG_BEGINS = 2


def streamed(open_: Callable[[], View], start: float = 0.0) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Nothing of formats that take the whole file. Raises Refused.
    """
    import soundfile

    uniform: Uniform | None = None
    with contextlib.ExitStack() as closing:
        source = open_()
        closing.callback(source.stop)
        format_ = format_of(source.read(64) or b"")
        source.seek(0)
        if format_ not in _FORMATS:
            return
        try:
            for file, skip in _files(source, format_, start):
                check("what arrives", file.samplerate, file.channels)
                for block in _blocks(file, skip):
                    uniform = uniform or Uniform(file.samplerate, file.channels)
                    yield uniform.rate, uniform.take(file.samplerate, block)
            if uniform and len(rest := uniform.rest()):
                yield uniform.rate, rest
        except soundfile.SoundFileError as error:
            raise Refused("what arrives is damaged", hint="see the error of 'fetch'") from error


def _blocks(file: Any, skip: int) -> Iterator[Samples]:
    """What the file holds from its position on, without the first `skip` frames."""
    frames = min(round(file.samplerate * _BLOCK_SECONDS), BLOCK_SAMPLES // file.channels)
    while len(block := file.read(max(1, frames), dtype="float32", always_2d=True)):
        if skip < len(block):
            yield block[skip:]
        skip = max(0, skip - len(block))


def _files(source: View, format_: str, start: float) -> Iterator[tuple[Any, int]]:
    """The open files that the source consists of, and how many frames of each to leave out."""
    import soundfile

    is_ogg = format_ in ("opus", "ogg")
    is_sought = bool(start) or format_ == "flac"
    if is_sought:
        with soundfile.SoundFile(source) as file:
            file.seek(min(round(start * file.samplerate), file.frames))
            yield file, 0
            start = max(0.0, start - file.frames / file.samplerate)
        if not is_ogg:
            return
        source.seek(0)  # for the streams that may follow
    # In a file, libsndfile looks for the end of an Ogg stream before it decodes: hence pipes.
    for reader in _piped(source, is_ogg, passed=int(is_sought)):
        with soundfile.SoundFile(reader, closefd=True) as file:
            yield file, round(start * file.samplerate)
            start = 0.0


def _piped(source: View, is_ogg: bool, passed: int) -> Iterator[int]:
    """A pipe for each stream in the source but the first `passed`, which a thread writes into."""
    readers: queue.Queue[int | None] = queue.Queue()

    def pump() -> None:
        writer, streams = -1, 0
        try:
            for begins, content in _ogg_pages(source) if is_ogg else _chunks(source):
                if begins and streams < MOST_PARTS:
                    _close(writer)
                    writer, streams = -1, streams + 1
                    if streams > passed:
                        reader, writer = os.pipe()
                        readers.put(reader)
                writer = _written(writer, content)
        finally:
            _close(writer)
            readers.put(None)

    threading.Thread(target=pump, name="pump", daemon=True).start()
    try:
        while (reader := readers.get()) is not None:
            yield reader
    finally:
        source.stop()
        while reader is not None:
            reader = readers.get()
            _close(-1 if reader is None else reader)


def _chunks(source: View) -> Iterator[tuple[bool, bytes]]:
    begins = True
    while chunk := source.read(_CHUNK_BYTES):
        yield begins, chunk
        begins = False


def _ogg_pages(source: View) -> Iterator[tuple[bool, bytes]]:
    """The pages (RFC 3533, section 6), and whether a stream begins with them.

    Those that are multiplexed begin together. What is no page is handed on as it is.
    """
    buffered = io.BufferedReader(source)
    began = False
    while head := buffered.read(_OGG_HEADER):
        is_page = len(head) == _OGG_HEADER and head.startswith(b"OggS")
        table = buffered.read(head[-1]) if is_page else b""
        begins = is_page and bool(head[5] & _OGG_BEGINS)
        yield begins and not began, head + table + buffered.read(sum(table))
        began = begins
    buffered.detach()


def _written(writer: int, content: bytes) -> int:
    """Write to a pipe; the descriptor, or -1 when nobody reads it any more."""
    try:
        while writer >= 0 and content:
            content = content[os.write(writer, content) :]
    except OSError:
        _close(writer)
        return -1
    return writer


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
