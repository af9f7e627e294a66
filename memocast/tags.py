"""Title, description and date in the audio file itself, where other programs show them."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast.errors import MemocastError
from memocast.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES, rfc3339
from memocast.text import cut

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.memo import Memo


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself; None where it says nothing usable."""

    title: str | None = None
    description: str | None = None
    created: datetime | None = None


def read_tags(path: Path) -> Tags:
    """Title, description and date as `write_tags` and most other programs write them."""
    import mutagen

    try:
        file = mutagen.File(path)
    except (mutagen.MutagenError, OSError, ValueError):
        return Tags()
    found = getattr(file, "tags", None)
    if not found:
        return Tags()
    title = _first(found, "title", "TIT2", "\xa9nam")
    return Tags(
        title=cut(title, TITLE_MAX_BYTES) if title else None,
        description=_first(found, "comment", "description", "COMM::und", "\xa9cmt"),
        created=_moment(_first(found, "date", "TDRC", "\xa9day")),
    )


def _first(found: Any, *names: str) -> str | None:
    for name in names:
        # Vorbis comments raise for names that are not theirs.
        with contextlib.suppress(KeyError, ValueError):
            value = found[name]
            text = str(value[0] if isinstance(value, list) else value).strip()
            if text and len(text.encode(errors="replace")) <= DESCRIPTION_MAX_BYTES:
                return text
    return None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment.replace(microsecond=0)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
