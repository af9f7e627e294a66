"""Decoding the audio of a file that is still being downloaded."""

from __future__ import annotations

import contextlib
import io
import itertools
import operator
import os
import queue
import threading
from typing import TYPE_CHECKING, Any

from memocast.audio.decoder import BLOCK_SAMPLES, check
from memocast.audio.examine import format_of, refuse_head
from memocast.audio.joined_files import MOST_PARTS
from memocast.audio.resampler import Resampler
from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.audio.decoder import Samples
    from memocast.fetching.growing_file import View

_FORMATS = ("opus", "ogg", "wav", "flac")
"""The formats that can be played from the start while the rest is still missing."""

_CHUNK_BYTES = 1 << 14

_HEAD_BYTES = 1 << 16
"""The headers of an Ogg file's first stream are within this length."""

_SILENT_BYTES = 1 << 26
"""The most to read without decoding any sound. An Opus packet can be as large as the file."""

_BLOCK_SECONDS = 0.2
_OGG_HEADER = 27
_OGG_BEGINS = 2


def stream(open_: Callable[[], View], start: float = 0.0) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Yields nothing for formats that need the whole file. Raises Refused.
    """
    import soundfile

    uniform: Resampler | None = None
    with contextlib.ExitStack() as closing:
        source = open_()
        closing.callback(source.stop)
        format_ = format_of(source.read(64) or b"")
        source.seek(0)
        if format_ not in _FORMATS:
            return
        if format_ == "ogg":
            refuse_head(_head(source))
            source.seek(0)
        source.allowance = _SILENT_BYTES
        try:
            for file, skip in _files(source, format_, start):
                check("the incoming audio", file.samplerate, file.channels)
                for block in _blocks(file, skip):
                    source.allowance = _SILENT_BYTES
                    uniform = uniform or Resampler(file.samplerate, file.channels)
                    for piece in uniform.take(file.samplerate, block):
                        yield uniform.rate, piece
            if source.allowance <= 0:
                raise Refused(
                    "the incoming audio takes too much memory", hint="see the error from 'fetch'"
                )
            if uniform:
                for piece in uniform.rest():
                    yield uniform.rate, piece
        except soundfile.SoundFileError as error:
            raise Refused(
                "the incoming audio is damaged", hint="see the error from 'fetch'"
            ) from error


def _head(source: View) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES and (more := source.read(_HEAD_BYTES - len(head))):
        head += more
    return head


def _blocks(file: Any, skip: int) -> Iterator[Samples]:
    """Yield the file's frames from its position on, without the first `skip`."""
    frames = min(round(file.samplerate * _BLOCK_SECONDS), BLOCK_SAMPLES // file.channels)
    while len(block := file.read(max(1, frames), dtype="float32", always_2d=True)):
        if skip < len(block):
            yield block[skip:]
        skip = max(0, skip - len(block))


def _files(source: View, format_: str, start: float) -> Iterator[tuple[Any, int]]:
    """Yield the open sound files in the source, each with the number of frames to skip."""
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
    # Pipes, because in a file libsndfile seeks the end of an Ogg stream before it decodes.
    for reader in _piped(source, is_ogg, passed=int(is_sought)):
        with soundfile.SoundFile(reader, closefd=True) as file:
            yield file, round(start * file.samplerate)
            start = 0.0


def _piped(source: View, is_ogg: bool, passed: int) -> Iterator[int]:
    """Yield a pipe for each stream in the source after the first `passed`; a thread fills it."""
    readers: queue.Queue[int | Refused | None] = queue.Queue()

    def pump() -> None:
        try:
            for number, contents in _streams(source, is_ogg):
                if number > passed:
                    head = b"" if number == 1 else _checked(contents)
                    reader, writer = os.pipe()
                    readers.put(reader)
                    _write(writer, itertools.chain([head], contents))
        except Refused as error:
            readers.put(error)
        finally:
            readers.put(None)

    threading.Thread(target=pump, name="pump", daemon=True).start()
    reader = None
    try:
        while (reader := readers.get()) is not None:
            if isinstance(reader, Refused):
                raise reader
            yield reader
    finally:
        source.stop()
        while reader is not None:
            reader = readers.get()
            if isinstance(reader, int):
                os.close(reader)


def _streams(source: View, is_ogg: bool) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yield the number, from 1, and the content of each stream in the source."""
    if not is_ogg:
        yield 1, iter(lambda: source.read(_CHUNK_BYTES) or b"", b"")
        return
    for number, pages in itertools.groupby(_ogg_pages(source), operator.itemgetter(0)):
        if number <= MOST_PARTS:
            yield number, (content for _, content in pages)


def _ogg_pages(source: View) -> Iterator[tuple[int, bytes]]:
    """Yield the Ogg pages (RFC 3533, section 6), each with the number of its stream.

    Multiplexed streams begin together. Content that is not a page is passed on unchanged.
    """
    buffered = io.BufferedReader(source)
    number, began = 0, False
    while head := buffered.read(_OGG_HEADER):
        is_page = len(head) == _OGG_HEADER and head.startswith(b"OggS")
        table = buffered.read(head[-1]) if is_page else b""
        begins = is_page and bool(head[5] & _OGG_BEGINS)
        number += begins and not began
        yield number, head + table + buffered.read(sum(table))
        began = begins
    buffered.detach()


def _checked(contents: Iterator[bytes]) -> bytes:
    """Return the head of a stream other than the first. Raises Refused when it cannot be read."""
    head = b""
    while len(head) < _HEAD_BYTES and (more := next(contents, b"")):
        head += more
    if format_of(head) != "opus":
        refuse_head(head)
    return head


def _write(writer: int, contents: Iterator[bytes]) -> None:
    """Write to a pipe until its reader closes it, and close it."""
    with contextlib.suppress(OSError), os.fdopen(writer, "wb", buffering=0) as pipe:
        for content in contents:
            left = content
            while left:
                left = left[pipe.write(left) or 0 :]
