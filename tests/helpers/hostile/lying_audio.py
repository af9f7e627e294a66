"""Audio files whose headers lie, field by field, and containers that point elsewhere."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from mutagen.ogg import OggPage

from helpers.hostile.audio import converted
from helpers.hostile.case import voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO


FIELD32 = 2**32 - 1


SOUND = bytes(range(256)) * 8


def wav(
    *,
    kind: int = 1,
    channels: int = 1,
    rate: int = 8_000,
    bits: int = 16,
    align: int = 2,
    data: int | None = None,
    riff: int | None = None,
) -> bytes:
    """A WAV file whose fields say that, with 2 kB of sound."""
    pace = rate * align & FIELD32
    form = struct.pack("<HHIIHH", kind, channels, rate, pace, align, bits)
    size = len(SOUND) if data is None else data
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + SOUND
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


def rf64(frames: int) -> bytes:
    """An RF64 file (EBU 3306) that claims so many frames of two bytes."""
    size = min(frames * 2, 2**64 - 1)
    sizes = struct.pack("<QQQI", min(size + 72, 2**64 - 1), size, frames, 0)
    form = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    body = b"WAVEds64" + struct.pack("<I", 28) + sizes + b"fmt " + struct.pack("<I", 16) + form
    return (
        b"RF64" + struct.pack("<I", FIELD32) + body + b"data" + struct.pack("<I", FIELD32) + SOUND
    )


def aiff(
    *, channels: int = 1, frames: int = 1_024, rate: bytes = b"\x40\x0b\xfa" + bytes(7)
) -> bytes:
    """An AIFF file; its rate is an 80-bit float."""
    common = struct.pack(">HIH", channels & 0xFFFF, frames, 16) + rate
    chunks = b"COMM" + struct.pack(">I", 18) + common
    chunks += b"SSND" + struct.pack(">III", len(SOUND) + 8, 0, 0) + SOUND
    return b"FORM" + struct.pack(">I", len(chunks) + 4) + b"AIFF" + chunks


def flac(*, rate: int = 8_000, channels: int = 1, frames: int = 2_400, block: int = 4_096) -> bytes:
    """An honest FLAC stream behind a STREAMINFO block (RFC 9639) that says something else."""
    packed = rate << 44 | (channels - 1) << 41 | 15 << 36 | frames
    content = voice("FLAC")
    return (
        content[:8]
        + struct.pack(">HH", block, block)
        + content[12:18]
        + packed.to_bytes(8)
        + content[26:]
    )


def repaged(content: bytes, change: Callable[[bytes], bytes], position: int | None = None) -> bytes:
    """An Ogg file with its first packet changed, or its last position, and checksums made right."""
    file, pages = io.BytesIO(content), []
    while file.tell() < len(content):
        pages.append(OggPage(file))
    pages[0].packets = [change(pages[0].packets[0])]
    if position is not None:
        pages[-1].position = position
    return b"".join(page.write() for page in pages)


def vorbis(*, channels: int | None = None, rate: int = 8_000, position: int | None = None) -> bytes:
    """Ogg Vorbis whose identification header says that."""

    def change(packet: bytes) -> bytes:
        said = packet[11:12] if channels is None else bytes([channels])
        return packet[:11] + said + struct.pack("<I", rate) + packet[16:]

    return repaged(voice("OGG", "VORBIS"), change, position)


def opus(channels: int = 1, family: int = 0, position: int | None = None) -> bytes:
    """Ogg Opus whose head says that."""

    def change(packet: bytes) -> bytes:
        head = packet[:9] + bytes([channels]) + packet[10:18] + bytes([family])
        return head + (bytes([channels, 0]) + bytes(channels) if family else b"")

    return repaged(voice("OGG", "OPUS"), change, position)


def m4a(before: bytes, after: bytes, codec: str = "aac") -> bytes:
    content = converted("mp4", codec)
    assert before in content
    return content.replace(before, after, 1)


def silent_vorbis(channels: int, rate: int) -> bytes:
    """Minutes of silence in some kilobytes, of which a second would be all."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 192_000, channels, format="OGG", subtype="VORBIS") as ogg:
        for _ in range(50):
            ogg.write(np.zeros((192_000, channels), np.float32))
    return repaged(file.getvalue(), lambda head: head[:12] + struct.pack("<I", rate) + head[16:])


def opus_of_one_packet(file: IO[bytes], size: int) -> None:
    """Write Ogg Opus whose sound is one packet of about so many bytes, over as many pages."""
    head = b"OpusHead\1\1" + struct.pack("<HIhB", 0, 48_000, 0, 0)
    page = OggPage()
    for flags, packet in ((2, head), (0, b"OpusTags" + bytes(8))):
        page.packets, page.first, page.position = [packet], bool(flags), 0
        file.write(page.write())
        page.sequence += 1
    page.packets, page.first, page.complete, page.position = [bytes(255 * 255)], False, False, -1
    for _ in range(size // (255 * 255)):
        file.write(page.write())
        page.continued = True
        page.sequence += 1
    page.packets, page.complete, page.position, page.last = [b"\xfc"], True, 960, True
    file.write(page.write())


def code_books(count: int = 200) -> bytes:
    """Ogg Vorbis whose setup header has so many code books of eight million entries each.

    They are told in a few bits (Vorbis I, section 3.2.1): all are of one length.
    """
    entries = 2**23 - 1
    book = ((0x564342, 24), (1, 16), (entries, 24), (1, 1), (22, 5), (entries, 23), (0, 4))
    number = at = 0
    for value, width in ((count - 1, 8), *(book * count)):
        number |= value << at
        at += width
    setup = b"\x05vorbis" + number.to_bytes(at // 8 + 1, "little") + bytes(20_000)
    content = io.BytesIO(voice("OGG", "VORBIS"))
    first = OggPage(content)
    comment = b"\x03vorbis" + bytes(8) + b"\1"
    pages = OggPage.from_packets([comment, setup], sequence=1)
    for page in pages:
        page.serial = first.serial
    return b"".join(page.write() for page in [first, *pages])


def box(name: bytes, *content: bytes) -> bytes:
    """A box of ISO/IEC 14496-12."""
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8) + name + body


def full_box(name: bytes, *content: bytes) -> bytes:
    """The same with a version and flags of 0."""
    return box(name, bytes(4), *content)


def movie(samples: int, *, codec: bytes = b"sowt", channels: int = 1, rate: int = 8_000) -> bytes:
    """An M4A file of 4 kB of sound, which claims so many samples of a byte each."""
    kind = struct.pack(">6xH8xHHHHI", 1, channels, 16, 0, 0, rate << 16 & FIELD32)

    def head(sound_at: int) -> bytes:
        tables = (
            full_box(b"stsd", struct.pack(">I", 1), box(codec, kind)),
            full_box(b"stts", struct.pack(">III", 1, samples, 1)),
            full_box(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)),
            full_box(b"stsz", struct.pack(">II", 1, samples)),
            full_box(b"stco", struct.pack(">II", 1, sound_at)),
        )
        place = box(b"dinf", full_box(b"dref", struct.pack(">II", 1, 12) + b"url \0\0\0\1"))
        media = box(b"minf", full_box(b"smhd", bytes(4)), place, box(b"stbl", *tables))
        length = struct.pack(">IIIII", 0, 0, rate, min(samples, 2**31 - 1), 0)
        about = full_box(b"mdhd", length), full_box(b"hdlr", bytes(4), b"soun", bytes(13))
        track = box(b"trak", full_box(b"tkhd", bytes(80)), box(b"mdia", *about, media))
        return box(b"moov", full_box(b"mvhd", struct.pack(">IIII80x", 0, 0, 1_000, 1_000)), track)

    kinds = box(b"ftyp", b"M4A \0\0\0\0M4A isom")
    sound_at = len(kinds) + len(head(0)) + 8
    return kinds + head(sound_at) + box(b"mdat", SOUND * 2)


def element(name: str, content: bytes, length: int | None = None) -> bytes:
    """An element of EBML (RFC 8794), perhaps with a length that lies."""
    size = len(content) if length is None else length
    return bytes.fromhex(name) + (1 << 56 | size).to_bytes(8) + content


def mka(
    *,
    rate: float = 8_000.0,
    channels: int = 1,
    block: int | None = None,
    private: int | None = None,
) -> bytes:
    """A Matroska file (RFC 9559) of 16-bit samples, with what is given in its header."""
    audio = element("b5", struct.pack(">d", rate)) + element("9f", channels.to_bytes(4))
    audio += element("6264", b"\x10")
    secret = element("63a2", b"", private) if private else b""
    track = element("d7", b"\1") + element("73c5", b"\1") + element("83", b"\2")
    track += element("86", b"A_PCM/INT/LIT") + secret + element("e1", audio)
    cluster = element("e7", b"\0") + element("a3", b"\x81\0\0\x80" + SOUND, block)
    segment = element("1549a966", element("2ad7b1", (10**6).to_bytes(4)))
    segment += element("1654ae6b", element("ae", track)) + element("1f43b675", cluster)
    head = element("1a45dfa3", element("4286", b"\1") + element("4282", b"matroska"))
    return head + element("18538067", segment)


def elsewhere() -> bytes:
    """An M4A file whose sound is in another file, by a data reference of ISO/IEC 14496-12."""
    return m4a(b"\0\0\0\x0curl \0\0\0\x01", b"\0\0\0\x0curl \0\0\0\x00")


def matroska_of(other: bytes) -> bytes:
    """The first bytes of Matroska in front of what FFmpeg would take for something else."""
    return b"\x1aE\xdf\xa3" + other
