"""What of a stranger's value can be used: its type, its range, its length."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from memocast.text import cut


def cut_text(value: object, limit: int) -> str:
    """Text without zeros, at most its first `limit` bytes as UTF-8; empty for what is no text."""
    return cut(value.replace("\0", ""), limit) if isinstance(value, str) else ""


def whole_text(value: object, limit: int) -> str | None:
    """Text of at most `limit` bytes as UTF-8; None for any other, and for what is no text."""
    if not isinstance(value, str) or is_broken(value) or len(value.encode()) > limit:
        return None
    return value


def is_broken(text: str) -> bool:
    """Whether it has half a character, or a zero, which no database column should have."""
    return "\0" in text or any("\ud800" <= char <= "\udfff" for char in text)


def integer(value: object, low: int, high: float) -> int | None:
    """A whole number from `low` to `high`; None for anything else."""
    # True is a number to Python, and JSON has it.
    return value if type(value) is int and low <= value <= high else None


def number(value: object, high: float) -> float:
    """A number from 0 to `high`; 0 for anything else."""
    is_number = type(value) in (int, float)
    return value if is_number and 0 <= value <= high else 0  # type: ignore[operator,return-value]


def past(seconds: int) -> datetime:
    """That moment in unix seconds, from 1970 until now: nothing was published in the future."""
    return datetime.fromtimestamp(min(max(seconds, 0), int(time.time())), UTC)
