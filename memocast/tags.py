"""Title, description and date, written into a copy of the audio for other programs to show."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from memocast.errors import MemocastError
from memocast.memo import rfc3339

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.memo import Memo


def write_tags(path: Path, memo: Memo) -> None:
    """Tag the file at `path`; its audio does not change. Raises MemocastError."""
    import mutagen

    fields = {"title": memo.title, "date": rfc3339(memo.created)}
    try:
        if memo.format in ("opus", "ogg", "flac"):
            file = mutagen.File(path)
            if memo.description:
                fields["comment"] = memo.description
            for name, text in fields.items():
                file[name] = text
            file.save()
        elif memo.format in ("mp3", "wav", "aiff"):
            _write_id3(path, memo, fields)
        elif memo.format == "m4a":
            file = mutagen.File(path)
            file["\xa9nam"] = memo.title
            file["\xa9day"] = fields["date"]
            if memo.description:
                file["\xa9cmt"] = memo.description
            file.save()
        else:
            raise MemocastError(
                f"{memo.format} files cannot be tagged", hint="export it without --tags"
            )
    # What mutagen raises on files that are not quite as they should be.
    except (mutagen.MutagenError, struct.error, ValueError, TypeError, AttributeError) as error:
        raise MemocastError(
            f"the copy cannot be tagged: {error}", hint="export it without --tags"
        ) from error


def _write_id3(path: Path, memo: Memo, fields: dict[str, str]) -> None:
    import mutagen
    import mutagen.id3

    id3: Any = mutagen.id3

    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    utf8 = id3.Encoding.UTF8
    file.tags.add(id3.TIT2(encoding=utf8, text=fields["title"]))
    file.tags.add(id3.TDRC(encoding=utf8, text=fields["date"]))
    if memo.description:
        file.tags.add(id3.COMM(encoding=utf8, lang="und", desc="", text=memo.description))
    file.save()
