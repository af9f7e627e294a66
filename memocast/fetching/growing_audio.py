"""Decoding the audio of a file that is still being downloaded."""

from __future__ import annotations

import contextlib
import io
import itertools
import operator
import os
import queue
import threading
from typing import TYPE_CHECKING

from memocast.audio.decoder import grow
from memocast.audio.examine import format_of
from memocast.audio.joined_files import MOST_PARTS
from memocast.audio.refusals import INCOMING
from memocast.audio.resampler import Resampler
from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memocast.audio.decoder import Samples
    from memocast.fetching.growing_file import View

_FORMATS = ("opus", "ogg", "wav", "flac")
"""The formats that can be played from the start while the rest is still missing."""

_CHUNK_BYTES = 1 << 14

_SILENT_BYTES = 1 << 26
"""The most to read without decoding any sound. An Opus packet can be as large as the file."""

_OGG_HEADER = 27
_OGG_BEGINS = 2


def stream(open_: Callable[[], View], start: float = 0.0) -> Iterator[tuple[int, Samples]]:
    """Yield (sample rate in Hz, float32 frames of shape (n, channels)) from `start` seconds on.

    Yields nothing for formats that need the whole file. Raises Refused.
    """
    uniform: Resampler | None = None
    with contextlib.ExitStack() as closing:
        source = open_()
        closing.callback(source.stop)
        format_ = format_of(source.read(64) or b"")
        source.seek(0)
        if format_ not in _FORMATS:
            return
        source.allowance = _SILENT_BYTES
        for rate, block in _sound(source, format_, start):
            source.allowance = _SILENT_BYTES
            # In this process: a resampler parses nothing, and continues across streams.
            uniform = uniform or Resampler(rate, block.shape[1])
            for piece in uniform.take(rate, block):
                yield uniform.rate, piece
        if source.allowance <= 0:
            raise Refused(f"{INCOMING} takes too much memory", hint="see the error from 'fetch'")
        if uniform:
            for piece in uniform.rest():
                yield uniform.rate, piece


def _sound(source: View, format_: str, start: float) -> Iterator[tuple[int, Samples]]:
    """Yield the blocks of all streams in the source, each decoded in a process of its own."""
    is_ogg = format_ in ("opus", "ogg")
    is_sought = bool(start) or format_ == "flac"
    if is_sought:
        seconds = yield from grow(start, size=source.size, read_at=source.read_at)
        start = max(0.0, start - seconds)
        if not is_ogg:
            return
        source.seek(0)  # for the streams that may follow
    for reader in _piped(source, is_ogg, passed=int(is_sought)):
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            yield from grow(start, pipe=pipe)
        start = 0.0


def _piped(source: View, is_ogg: bool, passed: int) -> Iterator[int]:
    """Yield a pipe for each stream in the source after the first `passed`; a thread fills it."""
    readers: queue.Queue[int | None] = queue.Queue()

    def pump() -> None:
        try:
            for number, contents in _streams(source, is_ogg):
                if number > passed:
                    reader, writer = os.pipe()
                    readers.put(reader)
                    _write(writer, contents)
        finally:
            readers.put(None)

    threading.Thread(target=pump, name="pump", daemon=True).start()
    reader = None
    try:
        while (reader := readers.get()) is not None:
            yield reader
    finally:
        source.stop()
        while reader is not None:
            reader = readers.get()
            if reader is not None:
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


def _write(writer: int, contents: Iterator[bytes]) -> None:
    """Write to a pipe until its reader closes it, and close it."""
    with contextlib.suppress(OSError), os.fdopen(writer, "wb", buffering=0) as pipe:
        for content in contents:
            left = content
            while left:
                left = left[pipe.write(left) or 0 :]
