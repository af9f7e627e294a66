"""Changes to what an input says: to values in bencode, JSON and XML, to lines and to chunks."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree as Xml

import libtorrent as lt

from fuzz.harness import by_bytes

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from fuzz.harness import Change, Mutate

NUMBERS = (
    *(-(2**63), -1, 0, 1, 2, 199, 255, 256, 1_000, 16_384, 65_535, 65_536, 2**31 - 1, 2**31),
    *(2**32 - 1, 2**32, 10**11, 10**11 + 1, 2**40, 2**50, 2**50 + 1, 2**62, 2**63 - 1),
)
_ODD_NUMBERS = (0.5, -0.0, 1e300, 2**63, 2**64, 10**30, 10**400)
_TEXTS = (
    *("", " ", "\0", "\n", "\x1b[31m", "\u202e", "\ud800", "\u2028", "é" * 200, "x" * 301),
    *("x" * 8_001, "magnet:?", "../../x", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"),
    *("0001-01-01T00:00:00+14:00", "2026-11-23T09:37:00", "NaN", "-1", "1e999"),
)

_JSON_VALUE = re.compile(r'(?<=[:,\[] )(?:"[^"\\]*"|-?[0-9.]+|\[\]|\{\})')
_UNWRITABLE = ("[" * 1_500 + "]" * 1_500, "9" * 5_000, "-Infinity", "1e999", "01", '"', "}")
"""What Python writes into no document."""


def bencoded(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change one thing in a bencoded value."""
    try:
        value: Any = lt.bdecode(data)
        return bytes(lt.bencode(_changed(value, chance, mutate, NUMBERS, bytes)))
    except RuntimeError:
        return by_bytes(data, chance, mutate)


def in_json(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change one thing in a JSON document."""
    try:
        value = json.loads(data)
        changed = _changed(value, chance, mutate, (*NUMBERS, *_ODD_NUMBERS), str)
        text = json.dumps(changed, ensure_ascii=chance.random() < 0.2)
    except (ValueError, RecursionError):
        return by_bytes(data, chance, mutate)
    values = list(_JSON_VALUE.finditer(text))
    if values and chance.random() < 0.05:
        value = chance.choice(values)
        text = text[: value.start()] + chance.choice(_UNWRITABLE) + text[value.end() :]
    return text.encode(errors="surrogatepass")


def _changed(
    value: Any,
    chance: random.Random,
    mutate: Mutate,
    numbers: tuple[float, ...],
    kind: type[bytes | str],
) -> Any:
    """Return the value with one thing in it changed, at any depth; `kind` is its type of text."""

    def text_changed(text: Any) -> Any:
        if kind is bytes:
            return bytes(mutate(text, len(text) + 64))
        return text_with_change(text, chance, mutate)

    if chance.random() < 0.05:
        short = text_changed(kind())
        return chance.choice([chance.choice(numbers), short, [], {}, [value], {short: value}])
    if isinstance(value, (bytes, str)):
        return text_changed(value)
    if value is None or isinstance(value, (bool, int, float)):
        return chance.choice([*numbers, *([None, True, False] if kind is str else [])])
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return {text_changed(kind()): text_changed(kind())} if isinstance(value, dict) else [0]
    key = chance.choice(keys)
    match chance.random():
        case number if number < 0.05:
            del value[key]
        case number if number < 0.1 and isinstance(value, dict):
            value[text_changed(key)] = value.pop(key)
        case number if number < 0.1:
            value.insert(key, value[chance.choice(keys)])
        case number if number < 0.13 and isinstance(value, list):
            value *= chance.choice([2, 3, 40])
        case _:
            value[key] = _changed(value[key], chance, mutate, numbers, kind)
    return value


def text_with_change(text: str, chance: random.Random, mutate: Mutate) -> str:
    """Return text with some characters changed, or all of it."""
    if chance.random() < 0.2:
        return chance.choice(_TEXTS)
    if chance.random() < 0.2:
        at = chance.randint(0, len(text))
        return text[:at] + chance.choice(_TEXTS) + text[at:]
    content = text.encode(errors="surrogatepass")
    return bytes(mutate(content, len(content) + 64)).decode(errors="surrogateescape")


def in_lines(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change, move, repeat or drop a line."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(5):
        case 0:
            lines.insert(at, chance.choice(lines))
        case 1 if len(lines) > 1:
            del lines[at]
        case _:
            lines[at] = bytes(mutate(lines[at], len(lines[at]) + 64))
    return b"\n".join(lines)


def in_fields(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change, repeat, move or drop a field of a link, or what is between others of its marks."""
    fields = re.split(rb"([&?=:\n ])", data)
    at = chance.randrange(len(fields))
    match chance.randrange(6):
        case 0:
            fields.insert(at, chance.choice(fields))
        case 1:
            fields[at] = chance.choice(fields)
        case 2:
            del fields[at]
        case 3:
            text = chance.choice(_TEXTS).encode(errors="surrogatepass")
            fields[at] = text if chance.random() < 0.5 else quote(text).encode()
        case _:
            fields[at] = bytes(mutate(fields[at], len(fields[at]) + 64))
    return b"".join(fields)


def in_toml(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change one thing in a TOML document without tables."""
    try:
        value = tomllib.loads(data.decode())
        changed = _changed(value, chance, mutate, NUMBERS, str)
        lines = [f"{name} = {json.dumps(each)}" for name, each in changed.items()]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return by_bytes(data, chance, mutate)
    return "\n".join(lines).encode(errors="surrogatepass")


def in_xml(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change one thing in an XML document."""
    if b"<!" in data:  # what it defines would be lost
        return by_bytes(data, chance, mutate)
    try:
        root = Xml.fromstring(data)
    except (Xml.ParseError, ValueError, LookupError):
        return by_bytes(data, chance, mutate)
    elements = list(root.iter())
    element, other = chance.choice(elements), chance.choice(elements)
    match chance.randrange(8):
        case 0:
            element.insert(0, Xml.fromstring(Xml.tostring(other)))
        case 1 if len(element):
            element.remove(chance.choice(list(element)))
        case 2:
            element.tag = other.tag
        case 3:
            element.text, other.text = other.text, element.text
        case 4 if other.attrib:
            name = chance.choice(list(other.attrib))
            element.set(name, other.attrib[name])
        case 5 | 6 if element.attrib:
            name = chance.choice(list(element.attrib))
            element.set(name, text_with_change(element.attrib[name], chance, mutate))
        case _:
            element.text = text_with_change(element.text or "", chance, mutate)
    try:
        text = Xml.tostring(root, encoding="unicode")
    except (TypeError, ValueError, RecursionError):
        return by_bytes(data, chance, mutate)
    # Else nearly none would be XML.
    return re.sub("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "?", text).encode()


def one_of(*changes: Change) -> Change:
    """Return a change by one of these."""

    def change(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
        return chance.choice(changes)(data, chance, mutate)

    return change


def repaired(change: Change, repair: Callable[[bytes], bytes]) -> Change:
    """Return the change followed, most of the time, by a repair: of checksums, for instance."""

    def both(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
        changed = change(data, chance, mutate)
        return repair(changed) if chance.random() < 0.9 else changed

    return both
