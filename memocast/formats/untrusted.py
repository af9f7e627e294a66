"""Checks of a stranger's values: their type, range and length."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from memocast.text import cut

LAST_SECOND = 253_402_300_799
"""Unix seconds of the end of the year 9999, the last that Python's datetime knows."""


def cut_text(value: object, limit: int) -> str:
    """Return text without zeros, cut to `limit` bytes of UTF-8; empty when it is not text."""
    return cut(value.replace("\0", ""), limit) if isinstance(value, str) else ""


def whole_text(value: object, limit: int) -> str | None:
    """Return text of at most `limit` bytes of UTF-8; None for longer text or another type."""
    if not isinstance(value, str) or is_broken(value) or len(value.encode()) > limit:
        return None
    return value


def is_broken(text: str) -> bool:
    """Return whether it has half a character, or a zero, which databases should not store."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def integer(value: object, low: int, high: float) -> int | None:
    """Return a whole number from `low` to `high`; None for anything else."""
    # To Python, the booleans of JSON are numbers too.
    return value if type(value) is int and low <= value <= high else None


def number(value: object, high: float) -> float:
    """Return a number from 0 to `high`; 0 for anything else."""
    is_number = type(value) in (int, float)
    return value if is_number and 0 <= value <= high else 0  # type: ignore[operator,return-value]


def moment(seconds: int) -> datetime:
    """Return the time of unix seconds, from 1970 to the year 9999."""
    return datetime.fromtimestamp(min(max(seconds, 0), LAST_SECOND), UTC)


def past(seconds: int) -> datetime:
    """Return the time of unix seconds, from 1970 to now: nothing was published in the future."""
    return moment(min(seconds, int(time.time())))
