"""Our own parsers of audio files, and mutagen's of their tags: formats, parts, lengths, headers.

What decodes is another harness, since it is C, and in a process of its own.
"""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING

from fuzz import sound_seeds
from fuzz.harness import Harness, Target, work_folder
from memocast.audio import container_length, riff_chunks, tag_process
from memocast.audio.examine import identify
from memocast.audio.joined_files import MOST_PARTS, PartFile, behind_tags, parts
from memocast.audio.measure import whole_ogg_pages
from memocast.errors import MemocastError

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from fuzz.harness import Mutate

FORMATS = ("opus", "ogg", "flac", "wav", "mp3", "aiff", "m4a", "webm", "mka")
_WRITTEN = ("opus", "ogg", "flac", "mp3", "wav", "aiff", "m4a")
_MOST_GROWTH = 16 << 20
"""Bytes, as in limited_process."""


def structure(data: bytes) -> str:
    """A file: its format, and its parts by that, or by every format if it has none."""
    path = work_folder() / "sound"
    path.write_bytes(data)
    try:
        format_ = identify(path)
    except MemocastError:
        for each in FORMATS:
            _check(path, data, each)
        raise
    assert format_ in FORMATS
    _check(path, data, format_)
    return "accepted"


def _check(path: Path, data: bytes, format_: str) -> None:
    at = 0
    with path.open("rb") as file:
        found = parts("sound", file, format_)
        assert 0 < len(found) <= MOST_PARTS
        assert 0 <= behind_tags(file) <= 16 * (1 << 28)
        for part in found:
            assert at <= part.begin <= part.end <= len(data), found
            at = part.end
            assert len(part.head) <= part.end - part.begin
            read = PartFile(file, part).read()
            assert read == part.head + data[part.begin + len(part.head) : part.end]
            if format_ in ("wav", "aiff") and len(read) >= 8:
                announced = riff_chunks.announced(part.head or read[:8])
                assert announced is None or announced >= 8
        end, pages = whole_ogg_pages(file)
        assert 0 <= end <= len(data)
        assert 27 * pages <= end
        seconds = container_length.duration(file, format_)
        assert seconds is None or math.isfinite(seconds)


def tags(data: bytes) -> str:
    """The tags of a file: those it has are read, and ours are written; the first byte says how."""
    format_ = _WRITTEN[data[0] % len(_WRITTEN)] if data else "opus"
    content = data[1:]
    said = tag_process.answer(json.dumps({"format": format_}).encode(), io.BytesIO(content))
    assert all(isinstance(text, str) and len(text) <= 10_000 for text in said.values())
    json.dumps(said)
    fields = {"title": "New", "date": "2026-11-23T09:37:00Z", "comment": "Two\nlines"}
    file = io.BytesIO(content)
    asked = json.dumps({"format": format_, "fields": fields}).encode()
    problem = tag_process.answer(asked, file).get("problem")
    assert len(file.getvalue()) <= len(content) + _MOST_GROWTH
    if problem:
        assert len(problem) <= 200
        return "a problem"
    if format_ in ("opus", "ogg", "flac"):
        again = tag_process.answer(json.dumps({"format": format_}).encode(), file)
        assert again["title"] == "New", again
    return "accepted"


# -- inputs --------------------------------------------------------------------------


def tag_seeds() -> list[bytes]:
    """The files, each behind the number of its format."""
    known = {name: number for number, name in enumerate(_WRITTEN)}
    found = [
        bytes([known[name.split()[-1]]]) + content
        for name, content in sound_seeds.files().items()
        if name.split()[-1] in known
    ]
    tagged = [bytes([known[name]]) + content for name, content in sound_seeds.tagged().items()]
    return [*found, *tagged]


def behind_number(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change the file behind the number of its format."""
    return data[:1] + sound_seeds.changed(data[1:], chance, mutate)


HARNESS = Harness(
    {
        "structure": Target(structure, sound_seeds.seeds, sound_seeds.changed),
        "tags": Target(tags, tag_seeds, behind_number),
    },
    codes=frozenset({7}),
    tokens=(
        *("OggS\\x00\\x02", "OpusHead", "OpusTags", "\\x01vorbis", "\\x03vorbis", "fLaC", "RIFF"),
        *(
            "RF64",
            "WAVE",
            "fmt ",
            "data",
            "ds64",
            "LIST",
            "id3 ",
            "ID3\\x04",
            "FORM",
            "AIFF",
            "AIFC",
        ),
        *("SSND", "COMM", "ftyp", "moov", "trak", "mdat", "ilst", "meta", "udta", "free", "Xing"),
        *("Info", "VBRI", "TAG", "APETAGEX", "TIT2", "COMM", "TDRC", "\\x1aE\\xdf\\xa3", "webm"),
    ),
    most_bytes=1 << 14,
)
