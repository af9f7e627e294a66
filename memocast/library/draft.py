"""What is known about a memo before it is in the library."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast.files import fsync_and_hash, fsync_and_hash_pieces, fsync_file
from memocast.formats.torrent import piece_length

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


def digests_of(path: Path, new: NewMemo) -> tuple[bytes, bytes]:
    """Return the SHA-256 of the audio, and its piece hashes for when it is shared.

    Fetched audio already has a torrent. If that hashes the audio itself, piece by piece, then
    libtorrent has just checked it, and nothing is hashed again.
    """
    share = new.share
    if share and share.torrent.has_pieces and not share.sealed:
        fsync_file(path)
        return b"", b""
    if new.draft.origin == "fetched":
        return fsync_and_hash(path), b""
    return fsync_and_hash_pieces(path, piece_length(path.stat().st_size))
