"""Draft: what is known of a memo while its audio is still on its way into the library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.memo import Origin
    from memocast.formats.share import Share


@dataclass(frozen=True, slots=True)
class Draft:
    """A memo that has everything but its place in the library. Fields as in `Memo`.

    `item` is the number of the channel's item that it is to be, as in `ListedItem`.
    """

    id: str
    title: str
    description: str
    created: datetime
    format: str
    origin: Origin
    item: int | None = None

    def to_facts(self) -> dict[str, Any]:
        """The draft as an entry of `incoming/` notes it."""
        return {
            "id": self.id,
            "title": self.title,
            "description": self.description,
            "created": int(self.created.timestamp()),
            "format": self.format,
            "origin": self.origin,
            "item": self.item,
        }

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Draft | None:
        """The draft that was noted, or None when nothing whole was."""
        known = {key: facts.get(key) for key in cls.__slots__ if key not in ("created", "item")}
        created, item = facts.get("created"), facts.get("item")
        if not isinstance(created, int) or not all(isinstance(v, str) for v in known.values()):
            return None
        number = item if isinstance(item, int) else None
        when = datetime.fromtimestamp(created, UTC)
        return cls(created=when, item=number, **known)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class NewMemo:
    """A draft whose audio is whole. Fields as in `Memo`.

    `share` is the link it came by, and `age_file` what that holds if it is sealed.
    """

    draft: Draft
    duration: int
    peaks: bytes
    lost: int = 0
    share: Share | None = None
    age_file: Path | None = None
