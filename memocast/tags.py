"""Title, description and date in the audio file itself, where other programs show them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast.errors import MemocastError
from memocast.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES, now, rfc3339
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


def read_tags(path: Path, format_: str) -> Tags:
    """Title, description and date as `write_tags` and most other programs write them.

    Of Opus, Ogg Vorbis and FLAC only: ID3 can compress what it holds, to any size.
    """
    from mutagen.flac import FLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggvorbis import OggVorbis

    readers: dict[str, Any] = {"opus": OggOpus, "ogg": OggVorbis, "flac": FLAC}
    if format_ not in readers:
        return Tags()
    try:
        found = readers[format_](path).tags or {}
        title = _first(found, "title")
        return Tags(
            title=cut(title, TITLE_MAX_BYTES).strip() if title else None,
            description=_first(found, "comment") or _first(found, "description"),
            created=_moment(_first(found, "date")),
        )
    except _raises():
        return Tags()


def _first(found: Any, name: str) -> str | None:
    text = str(found.get(name, [""])[0]).strip()
    return text if text and len(text.encode(errors="replace")) <= DESCRIPTION_MAX_BYTES else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment.replace(microsecond=0)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    # Local times of the first and the last year there is are no times everywhere.
    return moment if 1970 <= moment.year <= now().year else None


def _raises() -> tuple[type[Exception], ...]:
    """What mutagen raises on files that are not quite as they should be."""
    import mutagen

    oddities = (struct.error, ValueError, TypeError, AttributeError, IndexError)
    return (mutagen.MutagenError, OSError, *oddities)


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
    except _raises() as error:
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
