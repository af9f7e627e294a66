"""Title, description and date in the audio file itself, where other programs show them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from memocast import limited_process
from memocast.errors import MemocastError
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES, now, rfc3339
from memocast.text import cut

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.memo import Memo


_READ = ("opus", "ogg", "flac")
_WRITTEN = (*_READ, "mp3", "wav", "aiff", "m4a")

_HINT = "export it without --tags"

_SECONDS = 3
"""Of one core. The tags of an ordinary file take a tenth of one."""

_BYTES_PER_SECOND = 16 << 20
"""Of a large file, whose audio moves to make room for the tags: ten times as fast, on a laptop."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says of itself; None where it says nothing usable."""

    title: str | None = None
    description: str | None = None
    created: datetime | None = None


def read_tags(path: Path, format_: str) -> Tags:
    """Title, description and date as `write_tags` and most other programs write them.

    Of Opus, Ogg and FLAC only. A file whose tags are damaged, or too many, says nothing.
    """
    if format_ not in _READ:
        return Tags()
    try:
        with path.open("rb") as file:
            said = _answer({"format": format_}, file)
    except (OSError, limited_process.Exceeded):
        return Tags()
    title = _usable(said.get("title"))
    return Tags(
        title=cut(title, TITLE_MAX_BYTES).strip() if title else None,
        description=_usable(said.get("comment")) or _usable(said.get("description")),
        created=_moment(_usable(said.get("date"))),
    )


def write_tags(file: IO[bytes], memo: Memo) -> None:
    """Tag the memo's audio in `file`, which can be read and written; its sound does not change.

    Raises MemocastError, when it may be half written.
    """
    if memo.format not in _WRITTEN:
        raise MemocastError(f"{memo.format} files cannot be tagged", hint=_HINT)
    fields = {"title": memo.title, "date": rfc3339(memo.created)}
    if memo.description:
        fields["comment"] = memo.description
    try:
        problem = _answer({"format": memo.format, "fields": fields}, file).get("problem")
    except limited_process.Exceeded:
        problem = "the tags that it has take too long to read, or too much memory"
    if problem:
        raise MemocastError(f"the copy cannot be tagged: {problem}", hint=_HINT)


def _answer(asked: dict[str, Any], file: IO[bytes]) -> dict[str, str]:
    """What `tagging.answer` says, which never parses in this process. Raises Exceeded."""
    file.flush()
    seconds = _SECONDS + os.fstat(file.fileno()).st_size // _BYTES_PER_SECOND
    said: dict[str, str] = limited_process.run(
        "memocast.audio.tag_process", json.dumps(asked).encode(), seconds, file
    )
    return said


def _usable(said: str | None) -> str | None:
    text = (said or "").strip()
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
