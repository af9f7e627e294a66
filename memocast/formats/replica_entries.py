"""Entries: what a paired device says of its memos, and of where it says it, checked field by field.

What breaks a rule is left out, with a reason; it keeps nothing else from being read. The rules are
those that a field has elsewhere: in `edit`, in links, in what comes with audio.
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
"""The parts of a state: for each bucket its SHA-256 in the clear, and its torrent's info-hash."""

Reasons = Counter[str]
"""Why entries are left out, and how many of them for each reason."""

MAX_ROOT_BYTES = 1 << 16
_MAX_ENTRIES = 100_000
_MAX_ENTRY_BYTES = 1 << 17
"""Of its JSON. The longest that we write have half of it, with each character escaped."""

_MAX_LINK = 8_000
_KEY = re.compile(f"{ID_PATTERN}|[0-9a-f]{{40}}|[0-9a-f]{{64}}")
"""A memo's id, or the info-hash of the public link that it came by, of version 1 or 2."""

_DIGEST = re.compile("[0-9a-f]{64}")
_INFO_HASH = re.compile("[0-9a-f]{40}")
_DEVICE = re.compile("[ -~]{0,32}")
_ORIGINS = ("recorded", "added", "fetched")
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
"""Unicode's category Cc."""


class _Unfit(Exception):
    """A rule is broken; the words are ours."""


def unreadable() -> Refused:
    """What is raised for something that is no state, nor a part of one."""
    return Refused(
        "what another device says of its memos cannot be read",
        hint="upgrade memocast on all of your devices",
    )


def root_in(content: bytes) -> tuple[Root, Reasons]:
    """The root in a document, and why parts of it are left out. Raises Refused when it is none."""
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
                reasons["a part that is none"] += 1
    except ValueError as error:
        raise unreadable() from error
    return found, reasons


def entries_in(content: bytes, part: str, now: int) -> tuple[dict[str, ReplicaEntry], Reasons]:
    """The entries in a part of a state, by key, and why others are left out.

    `part` is its bucket, `now` in ms. Raises Refused when it is none at all.
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
    """What the document has under that name. Raises ValueError."""
    found = dict(json_pieces.members(content)).get(name)
    if found is None:
        raise ValueError(name)
    return found


def _entry(piece: bytes, part: str) -> ReplicaEntry:
    """The entry. Raises _Unfit."""
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
    """An entry that an older release let into the library, without what breaks a rule.

    None when nothing of it can stay.
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
    """A memo's title as the other devices are told it: in one line, without control characters."""
    return cut(_CONTROL.sub(" ", title).strip(), TITLE_MAX_BYTES).strip() or "untitled"


def spoken_description(description: str) -> str:
    """A memo's description as the other devices are told it."""
    return cut(description.replace("\0", ""), DESCRIPTION_MAX_BYTES)


def spoken_link(text: str) -> str:
    """A link as the other devices are told it: with as many trackers as there is room for."""
    return text if len(text) <= _MAX_LINK else text[: text.rfind("&", 0, _MAX_LINK)]


# -- fields --------------------------------------------------------------------------


def _key(value: object) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise _Unfit("without a key")
    return value


def _title(value: object) -> str:
    text = _text(value, TITLE_MAX_BYTES, "a title that is none")
    if not text.strip():
        raise _Unfit("a title that is none")
    if _CONTROL.search(text):
        raise _Unfit("control characters in the title")
    # As the library keeps it: what differs there from what was said would be an edit made here.
    return spoken_title(text)


def _description(value: object) -> str:
    return _text(value, DESCRIPTION_MAX_BYTES, "a description that is none")


def _text(value: object, most: int, reason: str) -> str:
    text = untrusted.whole_text(value, most)
    if text is None:
        raise _Unfit(reason)
    return text


def _link(value: object) -> str:
    """A magnet of one memo, as pairing makes it: sealed to the devices, or in the open."""
    text = spoken_link(value) if isinstance(value, str) else "?"
    if text and not (text.startswith("magnet:?") and text.isprintable() and _leads(text)):
        raise _Unfit("a link that leads to no memo")
    return text


def _leads(text: str) -> bool:
    try:
        (found,) = link.parse(text)
    except (MemocastError, ValueError):
        return False
    # libtorrent takes zeros for no info-hash.
    return not found.age_identity and all(info_hash.strip("0") for info_hash in found.info_hashes)


def _stamp(value: object) -> EditStamp:
    if not isinstance(value, (list, tuple)) or len(value) != len(NEVER):
        raise _Unfit("a change without a moment")
    ms, turn, device = value
    if not isinstance(device, str) or not _DEVICE.fullmatch(device):
        raise _Unfit("a change by nobody")
    if type(ms) is not int or type(turn) is not int or ms < 0 or turn < 0:
        raise _Unfit("a change without a moment")
    return EditStamp(ms, turn, device)


def _created(value: object) -> int:
    # It is believed where it is used: a device whose clock was wrong says it for good.
    return min(_number(value, math.inf), MAX_COUNT)


def _number(value: object, most: float) -> int:
    number = untrusted.integer(value, 0, most)
    if number is None:
        raise _Unfit("a number that is none")
    return number


def _origin(value: object) -> str:
    if value not in _ORIGINS:
        raise _Unfit("an origin that is none")
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
