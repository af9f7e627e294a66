"""Tags: title, description and date in the audio file, for other programs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from memocast.audio.decoder import file_process
from memocast.errors import MemocastError
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES, now, rfc3339
from memocast.formats.untrusted import cut_text
from memocast.processes.limited_process import Exceeded, Task
from memocast.text import cut

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.memo import Memo


_READ = ("opus", "ogg", "flac")
_WRITTEN = (*_READ, "mp3", "wav", "aiff", "m4a")

_HINT = "export it without --tags"
_PROBLEM_BYTES = 800

_SECONDS = 3
"""Of CPU time. The tags of an ordinary file take a tenth of a second."""

_BYTES_PER_SECOND = 16 << 20
"""For large files, whose audio moves to make room for the tags. A laptop is ten times as fast."""


@dataclass(frozen=True, slots=True)
class Tags:
    """A file's tags; None where one is missing or unusable."""

    title: str | None = None
    description: str | None = None
    created: datetime | None = None


def read_tags(path: Path, format_: str) -> Tags:
    """Read title, description and date as `write_tags` and most other programs write them.

    Only from Opus, Ogg and FLAC. Damaged or too many tags count as none.
    """
    if format_ not in _READ:
        return Tags()
    try:
        with path.open("rb") as file:
            said = _answer({"format": format_}, file)
    except (OSError, Exceeded):
        return Tags()
    title = _usable(said.get("title"))
    return Tags(
        title=cut(title, TITLE_MAX_BYTES).strip() if title else None,
        description=_usable(said.get("comment")) or _usable(said.get("description")),
        created=_moment(_usable(said.get("date"))),
    )


def write_tags(file: IO[bytes], memo: Memo) -> None:
    """Write tags to the memo's audio in `file`, open for reading and writing; the sound stays.

    Raises MemocastError; `file` may then be half written.
    """
    if memo.format not in _WRITTEN:
        raise MemocastError(f"{memo.format} files cannot be tagged", hint=_HINT)
    fields = {"title": memo.title, "date": rfc3339(memo.created)}
    if memo.description:
        fields["comment"] = memo.description
    try:
        problem = _answer({"format": memo.format, "fields": fields}, file).get("problem")
    except Exceeded:
        problem = "its tags take too much time or memory to read"
    if problem is not None:
        said = cut_text(problem, _PROBLEM_BYTES) or "its tags cannot be read"
        raise MemocastError(f"the copy cannot be tagged: {said}", hint=_HINT)


def _answer(asked: dict[str, Any], file: IO[bytes]) -> dict[str, Any]:
    """Return the answer of `tag_process`, which parses in its own process. Raises Exceeded.

    What parses may have been taken over: the answer may hold anything.
    """
    file.flush()
    seconds = _SECONDS + os.fstat(file.fileno()).st_size // _BYTES_PER_SECOND
    given = json.dumps(asked).encode()
    said = file_process().ask(
        Task("memocast.audio.tag_process", seconds, given, asked["format"], file)
    )
    if not isinstance(said, dict):
        raise Exceeded
    return said


def _usable(said: object) -> str | None:
    text = cut_text(said, DESCRIPTION_MAX_BYTES + 1).strip()
    return text if 0 < len(text.encode()) <= DESCRIPTION_MAX_BYTES else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    moment = moment.replace(microsecond=0)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    # In the first and last years, a local time may not exist in other zones.
    return moment if 1970 <= moment.year <= now().year else None
