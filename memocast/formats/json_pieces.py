"""Untrusted JSON, read piece by piece.

Python's parser rejects a whole document for one number of 5,000 digits or one value nested too
deep, and expands 16 MB of empty lists to 350 MB. Here a document is first split at its commas,
without being parsed, so a fault in one piece affects only that piece.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# An unterminated string reaches to the end; otherwise each quote in it would be tried again.
_STRING = rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_FLAT = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb")*+[\]}]"
_NEARLY_FLAT = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb"|" + _FLAT + rb")*+[\]}]"
"""One token for what most documents consist of; only deeper nesting is walked through."""

_TOKEN = re.compile(b"|".join([_NEARLY_FLAT, _FLAT, _STRING, rb"[][{},]"]), re.DOTALL)
_MOST_TOKENS = 1 << 21
_MOST_MEMBERS = 1_000
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SPACE = b" \t\r\n"
_OPENING, _CLOSING = b"[{", b"]}"
_MOST_DIGITS = 30
"""More than any plausible number has; Python refuses to read 4,301."""


def members(text: bytes) -> Iterator[tuple[str | None, bytes]]:
    """Yield the members of an object, each with its unparsed value; None for a damaged name.

    Raises ValueError when the text is not an object or does not end.
    """
    for count, piece in enumerate(_divided(text, b"{")):
        if count == _MOST_MEMBERS:
            raise ValueError("too many")
        token = _TOKEN.match(piece)
        colon = _COLON.match(piece, token.end()) if token else None
        try:
            name = loads(token[0]) if token and colon else None
        except ValueError:
            name = None
        is_name = isinstance(name, str)
        yield (name if is_name else None), (piece[colon.end() :] if colon else piece)


def elements(text: bytes) -> Iterator[bytes]:
    """Yield the unparsed elements of an array. Raises ValueError as `members` does."""
    return _divided(text, b"[")


def _divided(text: bytes, opening: bytes) -> Iterator[bytes]:
    begin = start = len(text) - len(text.lstrip(_SPACE)) + 1
    if text[start - 1 : start] != opening:
        raise ValueError("not of the expected kind")
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text, start)):
        char = text[token.start()]
        if count == _MOST_TOKENS:
            raise ValueError("too much")
        if char in _OPENING and token.end() > token.start() + 1:
            continue  # it contains its own end
        if char in _OPENING:
            depth += 1
        elif char in _CLOSING and depth:
            depth -= 1
        elif char in _CLOSING:
            last = text[begin : token.start()].strip(_SPACE)
            if last or begin != start:
                yield last
            return
        elif char == ord(",") and not depth:
            yield text[begin : token.start()].strip(_SPACE)
            begin = token.end()
    raise ValueError("without an end")


def loads(text: bytes) -> Any:
    """Parse a piece. Raises ValueError for any fault.

    Broken characters become surrogates, for the caller to refuse. `NaN` and the like are not
    JSON; a number with too many digits becomes some other large number.
    """
    try:
        return json.loads(
            text.decode(errors="surrogateescape"), parse_int=_integer, parse_constant=_refuse
        )
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _integer(digits: str) -> int:
    return int(digits[:_MOST_DIGITS])


def _refuse(name: str) -> Any:
    raise ValueError(name)
