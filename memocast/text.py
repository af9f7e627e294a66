"""Text from strangers: which characters act on a terminal, and where text is cut."""

from __future__ import annotations

import unicodedata

JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; they join letters and do nothing else."""


def acts_on_terminal(char: str) -> bool:
    """Controls, marks that turn the writing direction, line separators, half characters."""
    return char not in JOINERS and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def cut(text: str, limit: int) -> str:
    """At most the first `limit` bytes of `text` as UTF-8, never half a character."""
    return text.encode(errors="replace")[:limit].decode(errors="ignore")
