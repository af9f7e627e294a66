"""Hostile headers: rates, channels and lengths that lie, and containers that point elsewhere."""

from __future__ import annotations

from helpers.hostile.audio import LONG_SILENCE, converted, made, opus_pages, sent
from helpers.hostile.case import Case, named, voice
from helpers.hostile.lying_audio import (
    FIELD32,
    SOUND,
    aiff,
    code_books,
    elsewhere,
    flac,
    m4a,
    matroska_of,
    mka,
    movie,
    opus,
    rf64,
    silent_vorbis,
    vorbis,
    wav,
)

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
