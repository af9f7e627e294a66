"""Which codecs are decoded: those that memos have, whatever the container names."""

from __future__ import annotations

import io
import subprocess
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
import soundfile

from helpers.full_or_short import scaled
from memocast.audio.decoder import blocks
from memocast.audio.examine import examine
from memocast.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

TONE = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1:sample_rate=48000"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=s=64x64:d=1", "-map", "0", "-map", "1"]
SLOW = ["-ar", "8000", "-ac", "1"]


def made(path: Path, container: str, codec: str, *options: str) -> Path:
    """A second of sound, made by FFmpeg."""
    command = ["ffmpeg", "-v", "error", "-y", *TONE, *options, "-c:a", codec, "-strict", "-2"]
    subprocess.run([*command, "-f", container, path], check=True)
    return path


UNUSUAL = {
    "dca": ("matroska", "dca"),
    "ra_144": ("matroska", "real_144", *SLOW),
    "truehd": ("matroska", "truehd"),
    "ac3": ("mov", "ac3"),
    "adpcm_ima_qt": ("mov", "adpcm_ima_qt"),
    "wavpack": ("matroska", "wavpack"),
    "tta": ("matroska", "tta"),
    "adpcm_ms": ("matroska", "adpcm_ms"),
    "eac3 beside a video": ("mp4", "eac3", *PICTURE, "-c:v", "mpeg4"),
}


@pytest.mark.parametrize("name", list(UNUSUAL)[:: scaled(1, 2)])
def test_a_codec_that_no_memo_has_is_refused(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / "odd", *UNUSUAL[name])
    format_ = "m4a" if UNUSUAL[name][0] in ("mov", "mp4") else "mka"
    with pytest.raises(Refused, match="is encoded as"):
        examine(path)
    with pytest.raises(Refused, match="is encoded as"):
        list(blocks(path, format_))


def test_add_says_which_codec_it_does_not_decode(anna: Memocast, tmp_path: Path) -> None:
    path = made(tmp_path / "film.mka", "matroska", "dca")
    added = anna.run("add", str(path), expect=7)
    assert "film.mka is encoded as dca" in added.err
    assert "hint: " in added.err


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "G721_32"), ("WAV", "NMS_ADPCM_16"), ("AIFF", "DWVW_16"), ("AIFF", "DWVW_24")],
)
def test_a_codec_that_no_memo_has_is_refused_by_the_other_library_too(
    container: str, subtype: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd"
    content = io.BytesIO()
    soundfile.write(content, tone(1.0), 8_000, format=container, subtype=subtype)
    path.write_bytes(content.getvalue())
    with pytest.raises(Refused, match="is encoded as"):
        examine(path)


def tone(seconds: float) -> np.ndarray:
    return np.sin(np.arange(round(seconds * 8_000)) / 10) / 2


USUAL = {
    "aac": ("mp4", "aac"),
    "aac of a phone": ("3gp", "aac"),
    "alac": ("ipod", "alac"),
    "mp3 in a film": ("mov", "libmp3lame"),
    "opus of a browser": ("webm", "libopus"),
    "vorbis": ("webm", "libvorbis"),
    "flac in matroska": ("matroska", "flac"),
    "pcm in a film": ("mov", "pcm_s16be"),
    "floats in matroska": ("matroska", "pcm_f32le"),
    "mu-law": ("mov", "pcm_mulaw"),
    "aac beside a video": ("mp4", "aac", *PICTURE, "-c:v", "mpeg4"),
    "mp3 with a cover": ("mp3", "libmp3lame", *PICTURE, "-frames:v", "1", "-c:v", "mjpeg"),
    "aac with a cover": (
        *("mp4", "aac", *PICTURE, "-frames:v", "1", "-c:v", "png"),
        *("-disposition:v:0", "attached_pic"),
    ),
}


@pytest.mark.parametrize("name", list(USUAL)[:: scaled(1, 2)])
def test_the_codecs_of_phones_recorders_and_browsers_are_decoded(name: str, tmp_path: Path) -> None:
    path = made(tmp_path / "usual", *USUAL[name])
    sound = examine(path)
    assert sound.duration == pytest.approx(1_000, abs=60)
    found = list(blocks(path, sound.format))
    assert sum(len(block) for _, block in found) / found[0][0] == pytest.approx(1.0, abs=0.06)


def test_dictation_machines_are_decoded(tmp_path: Path) -> None:
    for subtype in ("IMA_ADPCM", "MS_ADPCM", "GSM610", "ULAW", "ALAW", "PCM_U8", "PCM_24", "FLOAT"):
        path = tmp_path / subtype
        content = io.BytesIO()
        soundfile.write(content, tone(1.0), 8_000, format="WAV", subtype=subtype)
        path.write_bytes(content.getvalue())
        assert examine(path).duration == pytest.approx(1_000, abs=100), subtype


@pytest.mark.parametrize("name", ["mp3 with a cover", "aac with a cover", "aac beside a video"])
def test_no_decoder_of_pictures_is_opened(name: str, tmp_path: Path) -> None:
    """FFmpeg would, to learn what is in a file; it says so when it may not."""
    from memocast.audio.ffmpeg_decoder import FfmpegDecoder
    from memocast.audio.joined_files import Part

    path = made(tmp_path / "picture", *USUAL[name])
    whole = Part(0, path.stat().st_size)
    level = av.logging.get_level()
    av.logging.set_level(av.logging.VERBOSE)
    try:
        with path.open("rb") as file, av.logging.Capture(local=False) as said:
            demuxer = "mp3" if name.startswith("mp3") else "mov"
            with FfmpegDecoder("x", file, whole, demuxer) as decoder:
                assert sum(len(block) for _, block in decoder.blocks(0.0))
    finally:
        av.logging.set_level(level)
    refused = {text.split()[1] for _, _, text in said if "not on whitelist" in text}
    assert refused <= {"(png)", "(mjpeg)", "(mpeg4)"}
    assert len(refused) == 1, said
