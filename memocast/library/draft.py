"""What is known about a memo before it is in the library."""

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
    """A memo whose audio is not yet in the library. Fields as in `Memo`.

    `item` is the number of the channel's item that it will be, as in `ListedItem`.
    """

    id: str
    title: str
    description: str
    created: datetime
    format: str
    origin: Origin
    item: int | None = None

    def to_facts(self) -> dict[str, Any]:
        """Return the draft as facts for an entry of `incoming/`."""
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
        """Return the draft in `facts`, or None when it is missing or incomplete."""
        known = {key: facts.get(key) for key in cls.__slots__ if key not in ("created", "item")}
        created, item = facts.get("created"), facts.get("item")
        if not isinstance(created, int) or not all(isinstance(v, str) for v in known.values()):
            return None
        number = item if isinstance(item, int) else None
        when = datetime.fromtimestamp(created, UTC)
        return cls(created=when, item=number, **known)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class NewMemo:
    """A draft whose audio is complete. Fields as in `Memo`.

    `share` is the link it came by, and `age_file` its encrypted file if that is sealed.
    """

    draft: Draft
    duration: int
    peaks: bytes
    lost: int = 0
    share: Share | None = None
    age_file: Path | None = None
