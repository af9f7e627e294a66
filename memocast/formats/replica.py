"""Replica: the state that paired devices share, in whatever order they meet.

A state is a map of entries, one for each memo that ever existed. Each field
has the time of its last change, by a hybrid logical clock (Kulkarni et al.,
"Logical Physical Clocks", 2014); of two states, the later change of each field
wins. Merging is commutative, associative and idempotent: devices that know
the same changes have the same state.

A clock can be wrong by years. A time in the future says only which change came after which, not
when it was made: a later change by a device that knows of it gets the next turn, and so does a
change made here without knowing of it (`Replicas.merge`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS = "0123456789abcdefghjkmnpqrstvwxyz"
"""A state is divided by the first letters of its keys; a change rewrites one part of it."""

MAX_BUCKET_BYTES = 1 << 24
MAX_COUNT = 2**50
"""The limit for milliseconds and turns: older releases refuse a whole part over a larger one."""

DAY = 24 * 3600 * 1000
"""Milliseconds. No clock that was ever set is further ahead."""

_CENTURY = 36_525 * DAY
"""No clock is wrong by more: 32-bit clocks end in 2038 or 2106."""

_SPAN = 2**40
"""Milliseconds: 35 years."""


class EditStamp(NamedTuple):
    """The time of a change, in `ms` since 1970 and a `turn` within that, and its device."""

    ms: int = 0
    turn: int = 0
    device: str = ""

    def next(self, moment: int, device: str) -> EditStamp:
        """Return the stamp of a change at `moment`, in ms, by a device that knows of this one.

        There always is one: when the turns are used up, the next millisecond begins.
        """
        if moment > self.ms:
            return EditStamp(moment, 0, device)
        if self.turn < MAX_COUNT:
            return EditStamp(self.ms, self.turn + 1, device)
        return EditStamp(self.ms + 1, 0, device)

    def clamped(self, now: int) -> EditStamp:
        """Return the stamp limited to plausible times at `now`, in ms, with room for later changes.

        All devices move an impossible time to the same place, for 35 years, so they agree on it
        and it stays the same when it comes again. A time just within the century stays: a
        millisecond later there is a millisecond of room above it.
        """
        ms = self.ms if self.ms <= now + _CENTURY else (now // _SPAN + 2) * _SPAN
        return EditStamp(ms, min(self.turn, MAX_COUNT), self.device)


NEVER = EditStamp()


@dataclass(frozen=True, slots=True)
class ReplicaEntry:
    """A memo on all devices: its texts, each with the time of its last change.

    `created` in unix seconds, `duration` in milliseconds, `size` in bytes. `link` leads to its
    audio, which never changes. `removed_at` is when it was last removed.
    """

    key: str
    title: str
    title_at: EditStamp
    description: str
    description_at: EditStamp
    removed_at: EditStamp = NEVER
    created: int = 0
    duration: int = 0
    size: int = 0
    origin: str = "recorded"
    link: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether the memo exists: a removal beats earlier changes, not later ones."""
        return self.removed_at < max(self.title_at, self.description_at)

    @property
    def last(self) -> EditStamp:
        """When any part of it was last changed."""
        return max(self.title_at, self.description_at, self.removed_at)

    def clamped(self, now: int) -> ReplicaEntry:
        """Return the entry with its stamps limited to plausible times at `now`, in ms."""
        return replace(
            self,
            title_at=self.title_at.clamped(now),
            description_at=self.description_at.clamped(now),
            removed_at=self.removed_at.clamped(now),
        )


FIELDS = tuple(field.name for field in fields(ReplicaEntry))


def merge(one: ReplicaEntry, other: ReplicaEntry) -> ReplicaEntry:
    """Return the later change of each field of two entries of one memo."""
    title = max((one.title_at, one.title), (other.title_at, other.title))
    description = max(
        (one.description_at, one.description), (other.description_at, other.description)
    )
    fixed = max(one, other, key=_fixed)
    return replace(
        fixed,
        title=title[1],
        title_at=title[0],
        description=description[1],
        description_at=description[0],
        removed_at=max(one.removed_at, other.removed_at),
    )


def _fixed(entry: ReplicaEntry) -> tuple[Any, ...]:
    """Return the fields that never change; if two devices disagree, both choose the same."""
    return (entry.link, entry.created, entry.duration, entry.size, entry.origin)


def insist(
    mine: ReplicaEntry, found: ReplicaEntry, field: str, now: int, device: str
) -> ReplicaEntry:
    """Return `found` with the change made in `mine` here, at `now`, unknown to other devices.

    `field` is `title`, `description` or `removed`. It comes after changes dated in the future,
    since those cannot have been made later; changes dated in the past keep their order.
    """
    at: EditStamp = getattr(mine, f"{field}_at")
    rivals = (
        found.last if field == "removed" else max(found.removed_at, getattr(found, f"{field}_at"))
    )
    if rivals <= at or rivals.ms <= now + DAY:
        return found
    changes: dict[str, Any] = {f"{field}_at": rivals.next(now, device)}
    if field != "removed":
        changes[field] = getattr(mine, field)
    return replace(found, **changes)


def bucket(key: str) -> str:
    """Return the part of the state that holds this key."""
    return key[0] if key and key[0] in BUCKETS else "0"


def to_bytes(entries: Iterable[ReplicaEntry]) -> bytes:
    """Return the entries as a document; the same entries give the same bytes."""
    ordered = sorted(entries, key=lambda entry: entry.key)
    # Like `asdict`, which is slow because it copies each value.
    memos = [{name: getattr(entry, name) for name in FIELDS} for entry in ordered]
    document = {"v": 1, "memos": memos}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
