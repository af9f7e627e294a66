"""Text: terminal controls, redacted keys, cutting, and safe file names."""

from __future__ import annotations

import re
import unicodedata

JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; they only join letters."""


_SECRET = re.compile(
    # The key in a link, however often the link was percent-encoded, and a key by itself.
    r"(?i:(x\.age(?:=|%(?:25)*3d))(?:(?!%(?:25)*26)[^&\s'\"])+|(AGE-SECRET-KEY-)[0-9A-Z-]+)"
    # And part of a key, from a link broken over lines: Bech32 in capitals (BIP 173).
    r"|[02-9AC-HJ-NP-Z]{16,}"
)


def redacted(text: str) -> str:
    """Return `text` with `…` in place of every key that opens private memos."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or ''}…", text)


def has_key(text: str) -> bool:
    """Return whether a key that opens private memos is in `text`, by itself or in a link."""
    return any(found[1] or found[2] for found in _SECRET.finditer(text))


def acts_on_terminal(char: str) -> bool:
    """Return whether it is a control, direction mark, line separator or half character."""
    return char not in JOINERS and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def cut(text: str, limit: int) -> str:
    """Return at most the first `limit` bytes of `text` as UTF-8, never half a character."""
    return text.encode(errors="replace")[:limit].decode(errors="ignore")


def shortened(text: str, most: int = 60) -> str:
    """Return at most `most` characters of `text`, for a message: it may be of any length."""
    return text if len(text) <= most else f"{text[: most - 3]}…"


NAME_MAX_BYTES = 120
# Names that Windows reserves for devices, with any extension, and spaces before the dot:
# the list of Python 3.13's ntpath.isreserved.
_DEVICE_NAME = re.compile(
    r"(?i)^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)"
)


def file_name(title: str, extension: str) -> str:
    """Return a file name for `title` that is safe on every system: at most 120 bytes, no path."""
    text = "".join(
        " " if char in '/\\:*?"<>|' or unicodedata.category(char)[0] == "Z" else char
        for char in title
        if char in JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    # Compose only after removing characters that could separate a letter from its accent.
    text = " ".join(unicodedata.normalize("NFC", text).split()).lstrip(". ")
    if not text or _DEVICE_NAME.match(text):
        text = f"memo {text}".strip()
    suffix = f".{extension}"
    return cut(text, NAME_MAX_BYTES - len(suffix.encode())).rstrip(". ") + suffix
