"""Documents: JSON that strangers wrote, read piece by piece.

Python's parser gives up a whole document for one number of 5,000 digits, or for one value that is
nested too deep, and unfolds 16 MB of empty lists into 350 MB. Here a document is first divided, at
its commas, without being parsed: what is wrong with one piece is the affair of that piece.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# A string without an end reaches to the end: otherwise each quote in it would be tried anew.
_STRING = rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_FLAT = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb")*+[\]}]"
_NEARLY_FLAT = rb"[\[{](?:[^][{}\"]++|" + _STRING + rb"|" + _FLAT + rb")*+[\]}]"
"""What most documents are full of is one token; only what is nested deeper is gone through."""

_TOKEN = re.compile(b"|".join([_NEARLY_FLAT, _FLAT, _STRING, rb"[][{},]"]), re.DOTALL)
_MOST_TOKENS = 1 << 21
_MOST_MEMBERS = 1_000
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*")
_SPACE = b" \t\r\n"
_OPENING, _CLOSING = b"[{", b"]}"
_MOST_DIGITS = 30
"""More than any number has that somebody believes; Python refuses to read 4,301."""


def members(text: bytes) -> Iterator[tuple[str | None, bytes]]:
    """The members of an object, each with its value as it stands there; None for a damaged name.

    Raises ValueError when the text is no object, or one that does not end.
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
    """The elements of an array, as they stand there. Raises ValueError as `members` does."""
    return _divided(text, b"[")


def _divided(text: bytes, opening: bytes) -> Iterator[bytes]:
    begin = start = len(text) - len(text.lstrip(_SPACE)) + 1
    if text[start - 1 : start] != opening:
        raise ValueError("of another kind")
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text, start)):
        char = text[token.start()]
        if count == _MOST_TOKENS:
            raise ValueError("too much")
        if char in _OPENING and token.end() > token.start() + 1:
            continue  # with all that is in it
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
    """The value of a piece. Raises ValueError, whatever is wrong with it.

    Half characters stay what they are, for the caller to refuse. `NaN` and its like are no JSON;
    a number of more digits than anybody needs is some other large number.
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
