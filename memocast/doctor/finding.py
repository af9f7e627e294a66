"""The result of one of `doctor`'s checks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `fix` is empty when all is well."""

    check: str
    ok: bool
    detail: str
    fix: str = ""
