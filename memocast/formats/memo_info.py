"""A memo's description in its torrent's info dictionary, in the clear or encrypted.

A magnet link carries only the info dictionary, so what must travel with the
audio lives in it, under the key `memocast`; `docs/formats.md` describes it.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from memocast.errors import Refused
from memocast.formats import age, untrusted
from memocast.formats.memo import DESCRIPTION_MAX_BYTES, PEAK_SLICES, TITLE_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memocast.formats.memo import Memo

KEY = b"memocast"
KEY_VERSION = 1

SEALED_BYTES = 12_000
"""The fixed length of the text in a sealed block; the longest title and description fit."""

_MAX_SEALED_TEXT = 1 << 16
"""Bytes. A block from another program may be longer than ours, within reason."""


@dataclass(frozen=True, slots=True)
class Description:
    """What an info dictionary says about its memo; None where a field is missing or invalid."""

    title: str | None = None
    description: str | None = None
    created: datetime | None = None
    duration: int | None = None
    peaks: bytes | None = None


def public_info(memo: Memo) -> dict[bytes, Any]:
    """Return the value of our key for a public memo."""
    return {
        b"v": KEY_VERSION,
        b"title": memo.title.encode(),
        b"description": memo.description.encode(),
        b"created": int(memo.created.timestamp()),
        b"duration": memo.duration,
        b"peaks": memo.peaks,
    }


def sealed_info(memo: Memo, to: Sequence[str]) -> dict[bytes, Any]:
    """Return the value of our key for a memo encrypted to `to`; its length is always the same."""
    text = json.dumps(
        {
            "title": _to_base64(memo.title.encode()),
            "description": _to_base64(memo.description.encode()),
            "created": int(memo.created.timestamp()),
            "duration": memo.duration,
            "peaks": _to_base64(memo.peaks),
        }
    )
    return {b"v": KEY_VERSION, b"sealed": age.seal(text.ljust(SEALED_BYTES).encode(), to)}


def sealed_block(info: object) -> bytes | None:
    """Return the sealed block of a stranger's decoded info dictionary, or None."""
    key = info.get(KEY) if isinstance(info, dict) else None
    block = key.get(b"sealed") if isinstance(key, dict) else None
    return block if isinstance(block, bytes) else None


def unseal_info(block: bytes, identities: Sequence[age.Identity]) -> Description:
    """Decrypt a sealed block with one of these identities. Raises Refused."""
    text = age.unseal(block, identities)
    try:
        said = json.loads(text) if len(text) <= _MAX_SEALED_TEXT else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Refused(
            "the encrypted description is not a memo's", hint="ask the sender to share it again"
        )
    texts = {name: _from_base64(said.get(name)) for name in ("title", "description", "peaks")}
    return _checked({**said, **texts})


def parse_info(info: object) -> Description:
    """Parse the public fields of a stranger's decoded info dictionary, each checked."""
    key = info.get(KEY) if isinstance(info, dict) else None
    if not isinstance(key, dict):
        return Description()
    return _checked({name.decode(): value for name, value in key.items() if _is_ascii(name)})


def _is_ascii(name: object) -> bool:
    return isinstance(name, bytes) and name.isascii()


def _checked(said: dict[str, Any]) -> Description:
    # A future date would make it the newest memo for good. libtorrent turns
    # numbers too large for it into zero.
    tomorrow = int(time.time()) + 24 * 3600
    created = untrusted.integer(said.get("created"), 1, tomorrow)
    peaks = said.get("peaks")
    return Description(
        title=_text(said.get("title"), TITLE_MAX_BYTES, empty=False),
        description=_text(said.get("description"), DESCRIPTION_MAX_BYTES, empty=True),
        created=None if created is None else datetime.fromtimestamp(created, UTC),
        duration=untrusted.integer(said.get("duration"), 0, 10**11),
        peaks=peaks if isinstance(peaks, bytes) and 0 < len(peaks) <= PEAK_SLICES else None,
    )


def _to_base64(content: bytes) -> str:
    # JSON writes one byte as up to six, so the length would reveal something about the text.
    return base64.b64encode(content).decode()


def _from_base64(value: object) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _text(value: object, limit: int, *, empty: bool) -> str | None:
    if not isinstance(value, bytes) or len(value) > limit:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if empty or text.strip() else None
