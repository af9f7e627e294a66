"""Replica: what paired devices agree on, however they were apart, and in whatever order they meet.

A state is a map of entries, one for each memo that there ever was. Each field
has the moment of its last change, by a hybrid logical clock (Kulkarni et al.,
"Logical Physical Clocks", 2014); of two states the later change of each field
is taken. Merging is commutative, associative and idempotent: devices that have
heard of the same changes have the same state.

A clock can be wrong by years. A moment to come says which change came after which, and not when
it was made: anyone who knows of such a change comes after it, by a turn, and so does a change
that was made here without knowing of it (`Replicas.merge`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKETS = "0123456789abcdefghjkmnpqrstvwxyz"
"""A state is divided by the first letters of its keys: a change makes one part of it anew."""

MAX_BUCKET_BYTES = 1 << 24
MAX_COUNT = 2**50
"""Of milliseconds and of turns: older releases refuse a whole part for one number above it."""

DAY = 24 * 3600 * 1000
"""Milliseconds. No clock that is set at all is further ahead."""

_CENTURY = 36_525 * DAY
"""No clock is wrong by more: those that count seconds in 32 bits end in 2038 or 2106."""

_SPAN = 2**40
"""Milliseconds: 35 years."""


class EditStamp(NamedTuple):
    """When something was changed: `ms` since 1970, a `turn` within that, and by which device."""

    ms: int = 0
    turn: int = 0
    device: str = ""

    def next(self, moment: int, device: str) -> EditStamp:
        """The stamp of a change at `moment`, in ms, by somebody who knows of this one.

        There always is one: where the turns are used up, the next millisecond begins.
        """
        if moment > self.ms:
            return EditStamp(moment, 0, device)
        if self.turn < MAX_COUNT:
            return EditStamp(self.ms, self.turn + 1, device)
        return EditStamp(self.ms + 1, 0, device)

    def clamped(self, now: int) -> EditStamp:
        """The stamp as it is believed at `now`, in ms: with room for the changes after it.

        Everybody puts what no clock says at the same place, for 35 years: so all agree on it, and
        it is the same when it comes again. What is just within the century needs no such place:
        a millisecond later there is a millisecond of room above it.
        """
        ms = self.ms if self.ms <= now + _CENTURY else (now // _SPAN + 2) * _SPAN
        return EditStamp(ms, min(self.turn, MAX_COUNT), self.device)


NEVER = EditStamp()


@dataclass(frozen=True, slots=True)
class ReplicaEntry:
    """A memo, on all devices: its texts, each with the moment of its last change.

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
        """Whether the memo is there: a removal beats what was changed before it, not after it."""
        return self.removed_at < max(self.title_at, self.description_at)

    @property
    def last(self) -> EditStamp:
        """When anything of it was changed last."""
        return max(self.title_at, self.description_at, self.removed_at)

    def clamped(self, now: int) -> ReplicaEntry:
        """The entry as it is believed at `now`, in ms."""
        return replace(
            self,
            title_at=self.title_at.clamped(now),
            description_at=self.description_at.clamped(now),
            removed_at=self.removed_at.clamped(now),
        )


FIELDS = tuple(field.name for field in fields(ReplicaEntry))


def merge(one: ReplicaEntry, other: ReplicaEntry) -> ReplicaEntry:
    """What is known by somebody who knows both."""
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
    """What does not change; where two devices say otherwise, both take the same."""
    return (entry.link, entry.created, entry.duration, entry.size, entry.origin)


def insist(
    mine: ReplicaEntry, found: ReplicaEntry, field: str, now: int, device: str
) -> ReplicaEntry:
    """`found`, with what was changed in `mine` here, at `now`, unknown to the others.

    `field` is `title`, `description` or `removed`. It comes after what is from the future, since
    that was not made later, whatever it says; what is from the past keeps its order.
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
    """The part of the state that has this key."""
    return key[0] if key and key[0] in BUCKETS else "0"


def to_bytes(entries: Iterable[ReplicaEntry]) -> bytes:
    """The entries as a document; the same entries give the same bytes."""
    ordered = sorted(entries, key=lambda entry: entry.key)
    # What `asdict` makes, which copies each value with much ado.
    memos = [{name: getattr(entry, name) for name in FIELDS} for entry in ordered]
    document = {"v": 1, "memos": memos}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
