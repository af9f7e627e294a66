"""Reads and writes the tags of an untrusted file, in a limited process.

ID3 compresses data of any size, MP4 boxes nest, and FLAC can hold endless pictures; mutagen sets
no limits. So `tags` runs this module by `limited_process`.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

import codecs
import importlib
import json
from typing import IO, Any

from memocast.processes import sandbox

_MOST_CHARS = 10_000
"""Of each text read: more than memocast uses of any."""

_PROBLEM_CHARS = 200


_MODULES = {
    "opus": ("oggopus",),
    "ogg": ("oggflac", "oggspeex", "oggvorbis"),
    "flac": ("flac",),
    "m4a": ("mp4",),
    "mp3": ("mp3", "id3"),
    "wav": ("wave", "id3"),
    "aiff": ("aiff", "id3"),
}
"""mutagen's, by format; each takes some milliseconds to import."""

_ENCODINGS = ("latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "ascii")
"""Of tags. Python imports each when it is first used."""


def prepare(format_: str) -> None:
    """Import what the tags of that format need."""
    sandbox.load()
    for name in _MODULES.get(format_, ()):
        importlib.import_module(f"mutagen.{name}")
    for name in _ENCODINGS:
        codecs.lookup(name)


def answer(given: bytes, file: IO[bytes]) -> dict[str, str]:
    """Write the given tags to the file; if none are given, return those it has.

    `given` is JSON: `format`, as in a memo, and perhaps `fields` with title, date and
    comment. An error is returned as `problem`.
    """
    asked = json.loads(given)
    file.seek(0)
    try:
        opened = _open(file, asked["format"])
        if "fields" not in asked:
            return _read(opened)
        _write(opened, asked["format"], asked["fields"])
        file.seek(0)
        opened.save(file)
    except MemoryError:
        raise
    except Exception as error:  # whatever mutagen raises on malformed files
        return {"problem": (str(error) or type(error).__name__)[:_PROBLEM_CHARS]}
    return {}


def _open(file: IO[bytes], format_: str) -> Any:
    """Open the file with mutagen."""
    if format_ == "opus":
        from mutagen.oggopus import OggOpus

        return OggOpus(file)
    if format_ == "ogg":
        from mutagen import File
        from mutagen.oggflac import OggFLAC
        from mutagen.oggspeex import OggSpeex
        from mutagen.oggvorbis import OggVorbis

        return File(file, options=[OggVorbis, OggFLAC, OggSpeex])
    if format_ == "flac":
        from mutagen.flac import FLAC

        return FLAC(file)
    if format_ == "m4a":
        from mutagen.mp4 import MP4

        return MP4(file)
    if format_ == "mp3":
        from mutagen.mp3 import MP3

        return MP3(file)
    if format_ == "wav":
        from mutagen.wave import WAVE

        return WAVE(file)
    from mutagen.aiff import AIFF

    return AIFF(file)


def _read(opened: Any) -> dict[str, str]:
    found = opened.tags or {}
    wanted = ("title", "comment", "description", "date")
    return {name: str(found[name][0])[:_MOST_CHARS] for name in wanted if found.get(name)}


def _write(opened: Any, format_: str, fields: dict[str, str]) -> None:
    if format_ in ("mp3", "wav", "aiff"):
        from mutagen.id3 import COMM, TDRC, TIT2, Encoding

        if opened.tags is None:
            opened.add_tags()
        utf8 = Encoding.UTF8
        opened.tags.add(TIT2(encoding=utf8, text=fields["title"]))
        opened.tags.add(TDRC(encoding=utf8, text=fields["date"]))
        if "comment" in fields:
            opened.tags.add(COMM(encoding=utf8, lang="und", desc="", text=fields["comment"]))
        return
    names = {"title": "\xa9nam", "date": "\xa9day", "comment": "\xa9cmt"}
    for name, text in fields.items():
        opened[names[name] if format_ == "m4a" else name] = text
