"""Finding: what `doctor` says of one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` is empty when it is fine."""

    check: str
    ok: bool
    detail: str
    fix: str = ""
