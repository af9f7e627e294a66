"""Decodes a part of a file by FFmpeg, in a limited process."""

from __future__ import annotations

import contextlib
import os
from typing import IO, TYPE_CHECKING, Any, Self

from memocast.audio.codecs import FFMPEG
from memocast.audio.joined_files import MPEG_NAMES, Part, PartFile
from memocast.audio.refusals import check, cut_short, damaged, unusual_codec
from memocast.audio.sndfile_decoder import CUT_SECONDS
from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.audio.sndfile_decoder import Samples

_MPEG_HEAD = 64
"""Bytes that contain the name of a first frame that counts the others."""

_MOST_BAD = 4
"""Invalid packets allowed in an MP3, plus one for each valid packet."""

_CUT_SECONDS = 0.5
"""A file with so much less sound than it claims is truncated; containers round their length."""


class FfmpegDecoder:
    """A part decoded by FFmpeg. Pictures and video in it are not decoded."""

    def __init__(self, name: str, raw: IO[bytes], part: Part, demuxer: str) -> None:
        import av

        self._name = name
        self._is_mpeg = demuxer == "mp3"
        # Without such a frame FFmpeg guesses the length, and the guess can be too long.
        head = os.pread(raw.fileno(), _MPEG_HEAD, part.begin)
        self._announces = not self._is_mpeg or any(mark in head for mark in MPEG_NAMES)
        codecs = ",".join(sorted(FFMPEG))
        self._container = av.open(
            PartFile(raw, part),
            "r",
            format=demuxer,
            # FFmpeg decodes a little to learn what is in a file, pictures too.
            options={
                "protocol_whitelist": "",
                "format_whitelist": demuxer,
                "codec_whitelist": codecs,
            },
            metadata_errors="replace",
        )
        try:
            self._stream = self._audio(codecs)
        except BaseException:
            self._container.close()
            raise

    def _audio(self, codecs: str) -> Any:
        """Return the stream to decode. Those whitelists do not apply to its decoder."""
        streams = self._container.streams.audio
        if not streams:
            raise Refused(f"{self._name} contains no sound", hint="it may be a video or a picture")
        decoder = streams[0].codec_context
        name = decoder.codec.name if decoder else "something unknown"
        if name not in FFMPEG:
            raise unusual_codec(self._name, name)
        decoder.options = {"codec_whitelist": codecs}
        return streams[0]

    def __enter__(self) -> Self:
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
            check(self._name, frame.sample_rate, frame.layout.nb_channels)
            position = position if frame.time is None else frame.time - begin
            position += frame.samples / frame.sample_rate
            heard += frame.samples / frame.sample_rate
            if position > start:
                plain = av.AudioResampler(format="fltp").resample(frame)[0]
                yield frame.sample_rate, plain.to_ndarray().T.astype(np.float32, copy=False)
        slack = CUT_SECONDS if self._is_mpeg else _CUT_SECONDS
        if self._announces and not start and heard < self.seconds - slack:
            raise cut_short(self._name)

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
def translated(name: str) -> Iterator[None]:
    """Turn FFmpeg's errors in the block into Refused."""
    import av

    try:
        yield
    except (av.FFmpegError, ValueError) as error:
        raise damaged(name) from error
