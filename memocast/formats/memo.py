"""Memo: one recording and its metadata."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from memocast.errors import UsageError
from memocast.text import cut

Origin = Literal["recorded", "added", "fetched"]

TITLE_MAX_BYTES = 300
DESCRIPTION_MAX_BYTES = 8_000

PEAK_SLICES = 200
"""The most equal slices of audio in a waveform."""

ID_LENGTH = 8

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
ID_PATTERN = f"[{_CROCKFORD}]{{{ID_LENGTH}}}"


@dataclass(frozen=True, slots=True)
class Memo:
    """One recording in a library.

    `created` is in UTC and whole seconds, `duration` in milliseconds, `size` in bytes.
    `peaks` holds up to 200 bytes: the largest absolute amplitude over all
    channels of each equal slice of the audio, linear, 255 = full scale.
    `format` is the extension of the audio file. `info_hash` is the hex
    info-hash of the memo's torrent, once it has one. `lost` is how many
    milliseconds of sound were lost while recording. `channel` is the name of the
    channel it came from, and `heard` whether it has been played.
    """

    id: str
    title: str
    description: str
    created: datetime
    duration: int
    size: int
    format: str
    origin: Origin
    peaks: bytes
    shared: bool = False
    info_hash: str | None = None
    lost: int = 0
    channel: str | None = None
    heard: bool = True

    @property
    def filename(self) -> str:
        """The audio file's name in the library's `memos` folder."""
        return f"{self.id}.{self.format}"

    def to_json(self, *, peaks: bool = False) -> dict[str, Any]:
        """Return the memo as `docs/formats.md` promises it to scripts."""
        document: dict[str, Any] = {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "created": rfc3339(self.created),
            "duration": self.duration / 1000,
            "bytes": self.size,
            "format": self.format,
            "origin": self.origin,
            "shared": self.shared,
            "info_hash": self.info_hash,
            "lost": self.lost / 1000,
            "channel": self.channel,
            "heard": self.heard,
        }
        if peaks:
            document["peaks"] = list(self.peaks)
        return document


def new_id() -> str:
    """Return a random memo id: 8 characters of Crockford's base32, lower case (40 bits)."""
    return "".join(_CROCKFORD[byte % len(_CROCKFORD)] for byte in os.urandom(ID_LENGTH))


def now() -> datetime:
    """Return the current time in UTC, in whole seconds so that both ends of a transfer agree."""
    return datetime.now(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """Format a time as `2026-11-23T09:37:00Z` (RFC 3339)."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def title_from_time(moment: datetime) -> str:
    """Return the title of a memo recorded without one: its local date and time."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def title_from_file(name: str) -> str:
    """Return the title of a memo added without one: the file's name without its extension."""
    stem, _, extension = name.rpartition(".")
    text = (stem if stem and len(extension) <= 5 else name).strip()
    return cut(text, TITLE_MAX_BYTES).strip() or "untitled"


def checked_title(title: str) -> str:
    """Return `title` without surrounding white space.

    Raises UsageError when it is empty, not valid UTF-8, or longer than 300 bytes.
    """
    title = title.strip()
    if not title:
        raise UsageError("the title is empty", hint="give it at least one visible character")
    return _checked(title, "title", TITLE_MAX_BYTES)


def checked_description(description: str) -> str:
    """Return `description`. Raises UsageError when it is longer than 8,000 bytes of UTF-8."""
    return _checked(description, "description", DESCRIPTION_MAX_BYTES)


def _checked(text: str, what: str, limit: int) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise UsageError(
            f"the {what} is not valid UTF-8", hint="retype it, or set your locale to UTF-8"
        ) from error
    if size > limit:
        raise UsageError(
            f"the {what} takes {size:,} bytes, {size - limit:,} too many",
            hint=f"a {what} holds at most {limit:,} bytes of UTF-8",
        )
    return text
