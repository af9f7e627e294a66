"""The harnesses, by name."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fuzz.harness import Harness


class Entry(NamedTuple):
    """A module here with a harness, and the packages whose branches guide the fuzzer."""

    module: str
    instrumented: tuple[str, ...] = ()


ENTRIES = {
    "links": Entry("links"),
    "feeds": Entry("feeds"),
    "pairs": Entry("pairs"),
    "dht": Entry("dht"),
    "podcasts": Entry("podcasts", ("feedparser", "html", "_markupbase")),
    "http": Entry("http_answers", ("http", "email", "urllib")),
    "keys": Entry("keys"),
    "settings": Entry("settings", ("tomllib",)),
    "sounds": Entry("sounds", ("mutagen", "wave")),
    "decoding": Entry("decoding"),
}
"""Besides memocast. A harness is loaded in a process of its own: what it loads is instrumented."""


def harness(name: str) -> Harness:
    """Return the harness of that name."""
    found: Harness = importlib.import_module(f"fuzz.{ENTRIES[name].module}").HARNESS
    return found
