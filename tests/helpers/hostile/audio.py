"""Hostile audio: what poses as a memo, is cut short, never ends, or is two things at once."""

from __future__ import annotations

import functools
import io
import subprocess
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from mutagen import id3, oggopus
from mutagen.ogg import OggPage

from helpers.hostile.case import Case, Offer, info, named, offer, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ESCAPES = "\x1b]0;owned\x07\x1b[31m[bold]\u202e\x9b2J"
NOT_AUDIO = "is not audio that memocast knows"
CUT = "cut short"


def sent(content: bytes) -> Callable[[Path], Offer]:
    """These bytes, as an honest torrent's only file."""
    return lambda _: Offer(info(content), content)


def made(content: Callable[[], bytes]) -> Callable[[Path], Offer]:
    """The same, made only when it is needed."""
    return lambda _: offer(None, content())


FORMATS = {
    "wav": lambda: voice("WAV"),
    "aiff": lambda: voice("AIFF"),
    "flac": lambda: voice("FLAC"),
    "ogg": lambda: voice("OGG", "VORBIS"),
    "opus": lambda: voice("OGG", "OPUS"),
    "mp3": lambda: voice("MP3"),
    "webm": lambda: converted("webm", "libopus"),
    "m4a": lambda: converted("mp4", "aac"),
    "mka": lambda: converted("matroska", "flac"),
}


ENDS = FORMATS.keys() - {"webm", "mka"}
"""These say where they end; Matroska from a browser, or through a pipe, does not."""


@functools.cache
def converted(container: str, codec: str) -> bytes:
    """The voice in a container that libsndfile does not write."""
    fragments = ["-movflags", "frag_keyframe+empty_moov"] if container == "mp4" else []
    command = ["ffmpeg", "-v", "error", "-f", "wav", "-i", "-", "-c:a", codec, *fragments]
    command += ["-fflags", "+bitexact", "-f", container, "-"]
    given = voice("WAV", seconds=1.0)
    return subprocess.run(command, check=True, capture_output=True, input=given).stdout


def cut(name: str, part: float) -> Callable[[Path], Offer]:
    def make(_: Path) -> Offer:
        content = FORMATS[name]()
        return offer(None, content[: round(len(content) * part)])

    return make


# -- what unfolds ------------------------------------------------------------------


def silent_flac() -> bytes:
    """25 hours of silence in 32 kB."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 100, 1, format="FLAC") as flac:
        for _ in range(25):
            flac.write(np.zeros(100 * 3600, np.int16))
    return file.getvalue()


def opus_pages(packets: list[bytes], *, position: int, channels: int = 1) -> bytes:
    """An Ogg Opus stream (RFC 7845) of these packets, the last page at that position."""
    head = (
        b"OpusHead\x01" + bytes([channels]) + bytes(2) + (48_000).to_bytes(4, "little") + bytes(3)
    )
    tags = b"OpusTags" + bytes(8)
    groups = [[head], [tags], *(packets[at : at + 250] for at in range(0, len(packets), 250))]
    content = b""
    for sequence, group in enumerate(groups):
        page = OggPage()
        page.serial, page.sequence, page.packets = 7, sequence, group
        page.first, page.last = sequence == 0, sequence == len(groups) - 1
        page.position = 0 if sequence < 2 else position if page.last else sequence * 5_760 * 250
        content += page.write()
    return content


LONG_SILENCE = b"\x0b\x06"
"""An Opus packet of 6 frames of 20 ms in which there is nothing: 120 ms in two bytes (RFC 6716)."""


def silent_opus() -> bytes:
    """Ten minutes of silence in 15 kB."""
    return opus_pages([LONG_SILENCE] * 5_000, position=5_000 * 5_760)


# -- two things at once -------------------------------------------------------------


def zipped(front: bytes) -> bytes:
    file = io.BytesIO(front)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("../../escaped", "x" * 1_000)
    return file.getvalue()


def tagged_opus(*tags: tuple[str, str]) -> bytes:
    file = io.BytesIO(voice("OGG", "OPUS"))
    found = oggopus.OggOpus(file)
    found.tags.extend(tags)
    file.seek(0)
    found.save(file)
    return file.getvalue()


def tagged_mp3() -> bytes:
    file = io.BytesIO(voice("MP3"))
    tags = id3.ID3()
    tags.add(id3.TIT2(encoding=3, text=ESCAPES))
    tags.add(id3.APIC(encoding=3, mime="-->", type=3, desc=ESCAPES, data=b"file:///etc/passwd"))
    tags.save(file)
    return file.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def broken_page() -> bytes:
    """An Ogg stream in which the checksum of one page is wrong."""
    content = voice("OGG", "OPUS", 3.0)
    return flipped(content, content.rindex(b"OggS") + 22)


POSING: dict[str, bytes] = {
    "elf": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\x3e\x00" * 200,
    "shell-script": b"#!/bin/sh\ntouch ~/escaped\n",
    "html": b"<!DOCTYPE html><script>alert(1)</script>",
    "zip": zipped(b""),
    "playlist": b"#EXTM3U\n#EXTINF:1,x\n/etc/passwd\nhttp://127.0.0.1:1/x\n",
    "concat-script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "session-description": b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n",
    "one-byte": b"O",
    "raw-zeros": bytes(100_000),
}

CASES = named(
    [Case(name, 7, sent(content), says=NOT_AUDIO) for name, content in POSING.items()]
    + [Case(f"half-a-{name}", 7 if name in ENDS else 0, cut(name, 0.5)) for name in FORMATS]
    + [Case(f"only-the-head-of-{name}", 7, cut(name, 0.02)) for name in ("opus", "m4a", "mka")]
    + [
        Case("silence-flac", 7, made(silent_flac), says="lasts longer than a day"),
        Case("silence-opus", 0, made(silent_opus)),
        Case("zip-and-wav", 0, made(lambda: zipped(voice("WAV")))),
        Case("zip-and-opus", 7, made(lambda: zipped(voice("OGG", "OPUS"))), says=CUT),
        Case("zip-and-flac", 0, made(lambda: zipped(voice("FLAC")))),
        Case("pdf-and-mp3", 7, made(lambda: b"%PDF-1.4\n" + voice("MP3")), says=NOT_AUDIO),
        Case("html-in-ogg", 0, made(lambda: tagged_opus(("comment", "<script>alert(1)</script>")))),
        Case(
            "escapes-in-ogg", 0, made(lambda: tagged_opus(("title", ESCAPES), ("x", "y" * 100_000)))
        ),
        Case("escapes-in-mp3", 0, made(tagged_mp3)),
        Case("id3-of-256-megabytes", 7, sent(b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(2_000))),
        Case("id3-and-a-program", 7, sent(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + POSING["elf"])),
        Case("ogg-of-a-wrong-checksum", 0, made(broken_page)),
        Case("ogg-of-two-chains", 0, made(lambda: voice("OGG", "OPUS") * 2)),
        Case("ogg-of-zeros", 7, sent(b"OggS" + bytes(10_000))),
        Case("ogg-in-ogg", 7, made(lambda: voice("OGG", "OPUS")[:100] + voice("OGG", "VORBIS"))),
    ],
    "audio",
)
