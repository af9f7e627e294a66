"""The codecs that memos have: what phones, recorders, browsers and memocast itself make.

The container of a stranger's file names its codec. No other decoder is opened for it, whatever
FFmpeg and libsndfile could decode.
"""

from __future__ import annotations

_PCM = ("u8", "s8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be")
_FLOAT = ("f32le", "f32be", "f64le", "f64be")
_COMPANDED = ("alaw", "mulaw")

FFMPEG = frozenset(
    {
        *("mp3float", "mp3", "aac", "alac", "opus", "libopus", "vorbis", "flac"),
        *(f"pcm_{kind}" for kind in (*_PCM, *_FLOAT, *_COMPANDED)),
    }
)
"""The names of FFmpeg's decoders, in every container that it opens."""

DEMUXERS = {"webm": "matroska", "mka": "matroska", "m4a": "mov", "mp3": "mp3"}
"""The formats that FFmpeg decodes, by its demuxers' names; left to guess, it gets some wrong.

MP3 is here because libsndfile's decoder for it, mpg123, writes to the terminal.
"""

SNDFILE = {
    "OGG": frozenset({"OPUS", "VORBIS", "PCM_S8", "PCM_16", "PCM_24"}),
    "FLAC": frozenset({"PCM_S8", "PCM_16", "PCM_24"}),
}
_UNCOMPRESSED = frozenset(
    {
        *("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"),
        # Of dictation machines.
        *("IMA_ADPCM", "MS_ADPCM", "GSM610"),
    }
)
SNDFILE.update(dict.fromkeys(("WAV", "WAVEX", "RF64", "AIFF"), _UNCOMPRESSED))
"""libsndfile's formats, each with the subtypes that it may have."""
