"""Replica: what paired devices agree on, however they were apart, and in whatever order they meet.

A state is a map of entries, one for each memo that there ever was. Each field
has the moment of its last change, by a hybrid logical clock (Kulkarni et al.,
"Logical Physical Clocks", 2014); of two states the later change of each field
is taken. Merging is commutative, associative and idempotent: devices that have
heard of the same changes have the same state.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from memocast.errors import Refused
from memocast.memo import DESCRIPTION_MAX_BYTES, TITLE_MAX_BYTES
from memocast.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUCKETS = "0123456789abcdefghjkmnpqrstvwxyz"
"""A state is divided by the first letters of its keys: a change makes one part of it anew."""

MAX_BUCKET_BYTES = 1 << 24
_MAX_ENTRIES = 100_000
_MAX_LINK = 8_000
_MAX_MILLISECONDS = 2**50


class Stamp(NamedTuple):
    """When something was changed: `ms` since 1970, a `turn` within that, and by which device."""

    ms: int = 0
    turn: int = 0
    device: str = ""

    def next(self, moment: int, device: str) -> Stamp:
        """The stamp of a change at `moment`, in ms, by somebody who knows of this one."""
        if moment > self.ms:
            return Stamp(moment, 0, device)
        return Stamp(self.ms, self.turn + 1, device)


NEVER = Stamp()


@dataclass(frozen=True, slots=True)
class Entry:
    """A memo, on all devices: its texts, each with the moment of its last change.

    `created` in unix seconds, `duration` in milliseconds, `size` in bytes. `link` leads to its
    audio, which never changes. `removed_at` is when it was last removed.
    """

    key: str
    title: str
    title_at: Stamp
    description: str
    description_at: Stamp
    removed_at: Stamp = NEVER
    created: int = 0
    duration: int = 0
    size: int = 0
    origin: str = "recorded"
    link: str = ""

    @property
    def is_alive(self) -> bool:
        """Whether the memo is there: a removal beats what was changed before it, not after it."""
        return self.removed_at < max(self.title_at, self.description_at)


def merged(one: Entry, other: Entry) -> Entry:
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


def _fixed(entry: Entry) -> tuple[Any, ...]:
    """What does not change; where two devices say otherwise, both take the same."""
    return (entry.link, entry.created, entry.duration, entry.size, entry.origin)


def union(one: Mapping[str, Entry], other: Iterable[Entry]) -> dict[str, Entry]:
    """The state of somebody who knows both."""
    found = dict(one)
    for entry in other:
        known = found.get(entry.key)
        found[entry.key] = merged(known, entry) if known else entry
    return found


def bucket(key: str) -> str:
    """The part of the state that has this key."""
    return key[0] if key[:1] in BUCKETS else "0"


def to_bytes(entries: Iterable[Entry]) -> bytes:
    """The entries as a document; the same entries give the same bytes."""
    ordered = sorted(entries, key=lambda entry: entry.key)
    document = {"v": 1, "memos": [asdict(entry) for entry in ordered]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def from_bytes(content: bytes) -> list[Entry]:
    """The entries of such a document. Raises Refused when it is none."""
    try:
        document = json.loads(content)
        memos = document["memos"]
        if len(memos) > _MAX_ENTRIES:
            raise ValueError(len(memos))
        return [_entry(said) for said in memos]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused(
            "what another device says of its memos cannot be read",
            hint="upgrade memocast on all of your devices",
        ) from error


def _entry(said: dict[str, Any]) -> Entry:
    known = {field.name for field in fields(Entry)}
    values = {name: value for name, value in said.items() if name in known}
    for name in ("title_at", "description_at", "removed_at"):
        ms, turn, device = values[name]
        values[name] = Stamp(_integer(ms), _integer(turn), cut(str(device), 32))
    for name in ("created", "duration", "size"):
        values[name] = _integer(values[name])
    values["key"] = cut(str(values["key"]), 64)
    values["title"] = cut(str(values["title"]), TITLE_MAX_BYTES)
    values["description"] = cut(str(values["description"]), DESCRIPTION_MAX_BYTES)
    values["link"] = cut(str(values["link"]), _MAX_LINK)
    if values["origin"] not in ("recorded", "added", "fetched"):
        raise ValueError(values["origin"])
    return Entry(**values)


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_MILLISECONDS:
        raise ValueError(value)
    return value
