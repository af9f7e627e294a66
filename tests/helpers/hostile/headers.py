"""Hostile headers: rates, channels and lengths that lie, and containers that point elsewhere."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from mutagen.ogg import OggPage

from helpers.hostile.audio import LONG_SILENCE, converted, made, opus_pages, sent
from helpers.hostile.case import Case, named, voice

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


MANIFEST = (
    b"<!--ftyp--><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' profiles='urn:mpeg:dash:profile:"
    b"isoff-on-demand:2011' type='static' mediaPresentationDuration='PT1S'><Period><AdaptationSet>"
    b"<Representation id='1' mimeType='audio/mp4'><BaseURL>http://127.0.0.1:1/x</BaseURL>"
    b"</Representation></AdaptationSet></Period></MPD>"
)
FLOATS: dict[str, bytes] = {
    "nan": b"\x7f\xff\xc0" + bytes(7),
    "greatest": b"\x7f\xfe" + b"\xff" * 8,
}

CASES = named(
    [
        Case("wav-rate-0", 7, sent(wav(rate=0))),
        Case("wav-rate-2^31", 7, sent(wav(rate=2**31))),
        Case("wav-rate-2^31-1", 7, sent(wav(rate=2**31 - 1))),
        Case("wav-channels-0", 7, sent(wav(channels=0))),
        Case("wav-channels-255", 0, sent(wav(channels=255, align=510))),
        Case("wav-bits-0", 7, sent(wav(bits=0))),
        Case("wav-align-0", 0, sent(wav(align=0))),
        Case("wav-floats-of-no-number", 0, sent(wav(kind=3, bits=32, align=4))),
        Case("wav-of-an-unknown-codec", 7, sent(wav(kind=0x7FFF))),
        Case("wav-adpcm", 7, sent(wav(kind=2, bits=4, align=0xFFFF))),
        Case("wav-data-of-4-gigabytes", 7, sent(wav(data=FIELD32, riff=2_000_000_000))),
        Case("wav-from-a-pipe", 0, sent(wav(data=FIELD32, riff=FIELD32))),
        Case("rf64-2^60-frames", 0, sent(rf64(2**60))),
        Case("rf64-2^63-frames", 7, sent(rf64(2**63))),
        Case("aiff-2^32-frames", 0, sent(aiff(frames=FIELD32))),
        Case("aiff-channels-0", 7, sent(aiff(channels=0))),
        Case("aiff-channels-255", 0, sent(aiff(channels=255))),
        *(Case(f"aiff-rate-{name}", 7, sent(aiff(rate=rate))) for name, rate in FLOATS.items()),
        Case("aiff-rate-negative", 7, sent(aiff(rate=b"\xc0\x0b\xfa" + bytes(7)))),
        Case("flac-2^36-frames", 7, made(lambda: flac(frames=2**36 - 1))),
        Case("flac-no-length", 0, made(lambda: flac(frames=0))),
        Case("flac-rate-0", 7, made(lambda: flac(rate=0))),
        Case("flac-rate-2^20", 7, made(lambda: flac(rate=2**20 - 1))),
        Case("flac-8-channels", 7, made(lambda: flac(channels=8))),
        Case("flac-blocks-of-0", 0, made(lambda: flac(block=0))),
        Case("vorbis-channels-0", 7, made(lambda: vorbis(channels=0))),
        Case("vorbis-channels-255", 0, made(lambda: vorbis(channels=255))),
        Case("vorbis-rate-0", 7, made(lambda: vorbis(rate=0))),
        Case("vorbis-rate-2^31-1", 7, made(lambda: vorbis(rate=2**31 - 1))),
        Case("vorbis-long", 7, made(lambda: vorbis(rate=2**31 - 1, position=2**49))),
        Case("vorbis-2^60-frames", 0, made(lambda: vorbis(position=2**60))),
        Case("opus-channels-0", 7, made(lambda: opus(channels=0))),
        Case("opus-channels-255", 7, made(lambda: opus(channels=255, family=255))),
        Case("opus-2^49-frames", 7, made(lambda: opus(position=2**49))),
        Case("opus-2^62-frames", 7, made(lambda: opus(position=2**62))),
        Case("opus-negative", 7, made(lambda: opus(position=-2))),
        Case("opus-of-empty-packets", 7, made(lambda: opus_pages([b""] * 500, position=2**40))),
        Case("opus-of-nothing", 7, made(lambda: opus_pages([], position=0))),
        Case("opus-of-a-day-claimed", 7, made(lambda: opus_pages([LONG_SILENCE], position=2**33))),
        Case("mp3-of-noise", 7, sent(b"\xff\xfb\x90\x00" + SOUND)),
        Case("m4a-of-a-mere-head", 7, sent(b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom\0\0\0\0")),
        Case(
            "m4a-of-a-box-of-2^63",
            7,
            sent(b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x01moov\x7f" + b"\xff" * 99),
        ),
        Case("m4a-rate-0", 7, made(lambda: m4a((8_000 << 16).to_bytes(4), bytes(4)))),
        *(
            Case(f"vorbis-of-minutes-in-a-second-{channels}", 7, made(sound))
            for channels, sound in (
                (2, lambda: silent_vorbis(2, 2**31 - 1)),
                (6, lambda: silent_vorbis(6, 2**30)),
            )
        ),
        Case("vorbis-of-code-books", 7, made(code_books)),
        Case("opus-then-code-books", 7, made(lambda: voice("OGG", "OPUS") + code_books())),
        Case("vorbis-of-minutes-at-768-khz", 0, made(lambda: silent_vorbis(2, 768_000))),
        Case("vorbis-of-minutes-in-16-channels", 0, made(lambda: silent_vorbis(16, 96_000))),
        Case("wav-of-1024-channels", 7, sent(wav(channels=1_024, align=2_048))),
        Case("wav-of-65535-channels", 7, sent(wav(channels=65_535, align=65_534))),
        Case("wav-at-769-khz", 7, sent(wav(rate=769_000))),
        Case("wav-at-768-khz", 0, sent(wav(rate=768_000))),
        Case("aiff-of-1024-channels", 7, sent(aiff(channels=1_024))),
        Case("m4a-of-2^32-samples", 7, sent(movie(FIELD32))),
        Case("m4a-of-2^28-aac-samples", 7, sent(movie(2**28, codec=b"mp4a"))),
        Case("m4a-of-65535-channels", 7, sent(movie(4_096, channels=65_535))),
        Case("m4a-at-65535-hz", 7, sent(movie(2**24, rate=65_535))),
        Case(
            "m4a-of-frames-of-2^24-samples",
            7,
            made(
                lambda: m4a(
                    (4_096).to_bytes(4) + b"\0\x10", (2**24).to_bytes(4) + b"\0\x10", "alac"
                )
            ),
        ),
        Case("mka", 0, sent(mka())),
        Case("mka-rate-2^31", 0, sent(mka(rate=2.0**31))),
        Case("mka-rate-nan", 0, sent(mka(rate=float("nan")))),
        Case("mka-rate-2^1000", 0, sent(mka(rate=2.0**1000))),
        Case("mka-of-2^31-channels", 7, sent(mka(channels=2**31))),
        Case("mka-of-1000-channels", 7, sent(mka(channels=1_000))),
        Case("mka-block-of-2^50", 7, sent(mka(block=2**50))),
        Case("mka-block-of-2^30", 7, sent(mka(block=2**30))),
        Case("mka-head-of-2^40", 7, sent(mka(private=2**40))),
        Case("m4a-elsewhere", 0, made(elsewhere)),
        Case("m4a-that-is-a-manifest", 7, sent(MANIFEST)),
        Case("webm-of-a-mere-head", 7, sent(b"\x1aE\xdf\xa3\x9fB\x82\x84webm" + bytes(20))),
        Case(
            "webm-of-a-size-of-2^56",
            7,
            sent(b"\x1aE\xdf\xa3\x01" + b"\xff" * 7 + b"B\x82\x84webm" + SOUND),
        ),
        Case("mka-that-is-mpeg-ts", 7, made(lambda: matroska_of(converted("mpegts", "mp2")))),
        Case("mka-that-is-mpeg-ps", 7, made(lambda: matroska_of(converted("mpeg", "mp2")))),
        Case(
            "mka-that-is-a-session",
            7,
            sent(matroska_of(b"\nv=0\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n")),
        ),
        Case("mka-that-is-a-manifest", 7, sent(matroska_of(MANIFEST))),
    ],
    "decoder",
)
