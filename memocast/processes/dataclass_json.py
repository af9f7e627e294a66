"""Dataclasses as JSON: what processes tell each other, and what they publish.

The types of the fields say how to read them: bytes are hexadecimal digits in JSON, and lists,
dictionaries with names and optional values may hold dataclasses again. All else is as JSON has it.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Return what `json.dumps` writes for a dataclass, or for what one of its fields holds."""
    if is_dataclass(value):
        return {name: to_json(getattr(value, name)) for name in _names(type(value))}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value.hex() if isinstance(value, bytes) else value


def from_json(kind: type[T], document: Mapping[str, Any]) -> T:
    """Return the dataclass in a document. What is missing there gets its default.

    Raises AttributeError, TypeError or ValueError if the document has another shape.
    """
    readers = _readers(kind)
    given = {name: document[name] for name in _names(kind) if name in document}
    for name in given.keys() & readers.keys():
        given[name] = readers[name](given[name])
    return kind(**given)


_NAMES: dict[type[Any], tuple[str, ...]] = {}
"""The names of each dataclass's fields, once they were needed.

Kept since each `fields` leaves a tuple in CPython's free lists, by which a seeder, which needs them
several times a second, grew by megabytes.
"""

_READERS: dict[type[Any], dict[str, Callable[[Any], Any]]] = {}
"""What makes the fields' values from JSON, for those that are not as JSON has them."""


def _names(kind: type[Any]) -> tuple[str, ...]:
    if kind not in _NAMES:
        _NAMES[kind] = tuple(part.name for part in fields(kind))
    return _NAMES[kind]


def _readers(kind: type[Any]) -> dict[str, Callable[[Any], Any]]:
    if kind not in _READERS:
        hints = get_type_hints(kind)
        found = {name: _reader(hints[name]) for name in _names(kind)}
        _READERS[kind] = {name: reader for name, reader in found.items() if reader}
    return _READERS[kind]


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    if hint is bytes:
        return bytes.fromhex
    if isinstance(hint, type) and is_dataclass(hint):
        return partial(from_json, hint)
    if isinstance(hint, UnionType):
        (one,) = (_reader(part) for part in get_args(hint) if part is not type(None))
        return one and (lambda value: None if value is None else one(value))
    inner = _reader(get_args(hint)[-1]) if get_origin(hint) in (dict, list) else None
    if inner is None:
        return None
    if get_origin(hint) is list:
        return lambda items: [inner(item) for item in items]
    return lambda items: {key: inner(item) for key, item in items.items()}
