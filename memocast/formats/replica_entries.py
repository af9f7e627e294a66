"""Entries: a paired device's memos and the root that lists them, checked field by field.

An entry that breaks a rule is left out, with a reason; the rest is still read. Each field has
the same rules as elsewhere: in `edit`, in links, in info dictionaries.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from memocast.errors import MemocastError, Refused
from memocast.formats import json_pieces, link, untrusted
from memocast.formats.feed import MAX_MILLISECONDS, MAX_SIZE
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, ID_PATTERN, TITLE_MAX_BYTES
from memocast.formats.replica import (
    BUCKETS,
    FIELDS,
    MAX_COUNT,
    NEVER,
    EditStamp,
    ReplicaEntry,
    bucket,
    merge,
)
from memocast.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Root = dict[str, tuple[str, str]]
"""The parts of a state: for each bucket, the SHA-256 of its plain text and its info-hash."""

Reasons = Counter[str]
"""Why entries are left out, and how many for each reason."""

MAX_ROOT_BYTES = 1 << 16
_MAX_ENTRIES = 100_000
_MAX_ENTRY_BYTES = 1 << 17
"""The limit for its JSON. The longest written here take half, with each character escaped."""

_MAX_LINK = 8_000
_KEY = re.compile(f"{ID_PATTERN}|[0-9a-f]{{40}}|[0-9a-f]{{64}}")
"""A memo's id, or the info-hash (version 1 or 2) of the public link it came from."""

_DIGEST = re.compile("[0-9a-f]{64}")
_INFO_HASH = re.compile("[0-9a-f]{40}")
_DEVICE = re.compile("[ -~]{0,32}")
_ORIGINS = ("recorded", "added", "fetched")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
"""Unicode's category Cc."""


class _Unfit(Exception):
    """An entry breaks a rule; the message is our own text, not the device's."""


def unreadable() -> Refused:
    """Return the error for something that is neither a state nor a part of one."""
    return Refused(
        "another device's list of memos cannot be read",
        hint="upgrade memocast on all of your devices",
    )


def root_in(content: bytes) -> tuple[Root, Reasons]:
    """Parse a root; return it and why parts were left out. Raises Refused when it is not a root."""
    found: Root = {}
    reasons: Reasons = Counter()
    try:
        for name, value in json_pieces.members(_value(content, "parts")):
            try:
                digest, info_hash = json_pieces.loads(value)
                is_one = _DIGEST.fullmatch(digest) and _INFO_HASH.fullmatch(info_hash)
            except (ValueError, TypeError):
                is_one = None
            if is_one and name and len(name) == 1 and name in BUCKETS:
                found[name] = (digest, info_hash)
            else:
                reasons["an invalid part"] += 1
    except ValueError as error:
        raise unreadable() from error
    return found, reasons


def entries_in(content: bytes, part: str, now: int) -> tuple[dict[str, ReplicaEntry], Reasons]:
    """Parse a part of a state; return its entries by key, and why others were left out.

    `part` is its bucket, `now` is in ms. Raises Refused when it is not a part of a state.
    """
    found: dict[str, ReplicaEntry] = {}
    reasons: Reasons = Counter()
    try:
        for number, piece in enumerate(json_pieces.elements(_value(content, "memos"))):
            if number == _MAX_ENTRIES:
                reasons["all after the first 100,000"] += 1
                break
            try:
                entry = _entry(piece, part).clamped(now)
            except _Unfit as error:
                reasons[str(error)] += 1
            else:
                known = found.get(entry.key)
                found[entry.key] = merge(known, entry) if known else entry
    except ValueError as error:
        raise unreadable() from error
    return found, reasons


def _value(content: bytes, name: str) -> bytes:
    """Return the document's value of that name. Raises ValueError when it is missing."""
    found = dict(json_pieces.members(content)).get(name)
    if found is None:
        raise ValueError(name)
    return found


def _entry(piece: bytes, part: str) -> ReplicaEntry:
    """Parse and check an entry. Raises _Unfit."""
    if len(piece) > _MAX_ENTRY_BYTES:
        raise _Unfit("too long")
    try:
        said = json_pieces.loads(piece)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _Unfit("not an entry")
    entry = ReplicaEntry(**{name: _RULES[name](said.get(name)) for name in FIELDS})
    if bucket(entry.key) != part:
        raise _Unfit("in the wrong part")
    return entry


def mend(entry: ReplicaEntry) -> ReplicaEntry | None:
    """Repair an entry that an older release accepted: drop or replace what breaks a rule.

    Returns None when the entry cannot be kept.
    """
    values: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(entry, name)
        value = _MENDING.get(name, _as_it_is)(value)
        try:
            values[name] = _RULES[name](value)
        except _Unfit:
            if name not in _FALLBACK:
                return None
            values[name] = _FALLBACK[name]
    return ReplicaEntry(**values)


def spoken_title(title: str) -> str:
    """Return a memo's title as sent to other devices: one line, without control characters."""
    return cut(_CONTROL.sub(" ", title).strip(), TITLE_MAX_BYTES).strip() or "untitled"


def spoken_description(description: str) -> str:
    """Return a memo's description as sent to other devices."""
    return cut(description.replace("\0", ""), DESCRIPTION_MAX_BYTES)


def spoken_link(text: str) -> str:
    """Return a link as sent to other devices: with as many trackers as fit."""
    return text if len(text) <= _MAX_LINK else text[: text.rfind("&", 0, _MAX_LINK)]


# -- fields --------------------------------------------------------------------------


def _key(value: object) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise _Unfit("no valid key")
    return value


def _title(value: object) -> str:
    text = _text(value, TITLE_MAX_BYTES, "an invalid title")
    if not text.strip():
        raise _Unfit("an invalid title")
    if _CONTROL.search(text):
        raise _Unfit("control characters in the title")
    # As the library stores it: a difference from the received text would count as an edit.
    return spoken_title(text)


def _description(value: object) -> str:
    return _text(value, DESCRIPTION_MAX_BYTES, "an invalid description")


def _text(value: object, most: int, reason: str) -> str:
    text = untrusted.whole_text(value, most)
    if text is None:
        raise _Unfit(reason)
    return text


def _link(value: object) -> str:
    """Check a magnet of one memo, as pairing makes it: encrypted to the devices, or public."""
    text = spoken_link(value) if isinstance(value, str) else "?"
    if text and not (text.startswith("magnet:?") and text.isprintable() and _leads(text)):
        raise _Unfit("a link to no memo")
    return text


def _leads(text: str) -> bool:
    try:
        (found,) = link.parse(text)
    except (MemocastError, ValueError):
        return False
    # To libtorrent, all zeros means no info-hash.
    return not found.age_identity and all(info_hash.strip("0") for info_hash in found.info_hashes)


def _stamp(value: object) -> EditStamp:
    if not isinstance(value, (list, tuple)) or len(value) != len(NEVER):
        raise _Unfit("a change without a valid time")
    ms, turn, device = value
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise _Unfit("a change without a valid device")
    if type(ms) is not int or type(turn) is not int or ms < 0 or turn < 0:
        raise _Unfit("a change without a valid time")
    return EditStamp(ms, turn, device)


def _created(value: object) -> int:
    # Its plausibility is checked where it is used: a wrong clock at creation stays in it for good.
    return min(_number(value, math.inf), MAX_COUNT)


def _number(value: object, most: float) -> int:
    number = untrusted.integer(value, 0, most)
    if number is None:
        raise _Unfit("an invalid number")
    return number


def _origin(value: object) -> str:
    if value not in _ORIGINS:
        raise _Unfit("an unknown origin")
    return str(value)


def _as_it_is(value: Any) -> Any:
    return value


_RULES: Mapping[str, Callable[[object], Any]] = {
    "key": _key,
    "title": _title,
    "title_at": _stamp,
    "description": _description,
    "description_at": _stamp,
    "removed_at": _stamp,
    "created": _created,
    "duration": lambda value: _number(value, MAX_MILLISECONDS),
    "size": lambda value: _number(value, MAX_SIZE),
    "origin": _origin,
    "link": _link,
}
_MENDING: Mapping[str, Callable[[Any], Any]] = {
    "title": spoken_title,
    "description": spoken_description,
}
_FALLBACK: Mapping[str, Any] = {"created": 0, "duration": 0, "size": 0, "link": ""}
