"""memocast: record a voice memo, get a link, and anyone with the link can listen.

The command line is one user of this package. A program of your own can be another:
`memocast.open_library()` gives a `Library` of `Memo` objects, and the functions here do what the
commands do. docs/library.md has examples.
"""

from __future__ import annotations

# Type checkers know the flag by its name; `typing` itself takes 10 ms to import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from memocast.api import (
        add,
        create_channel,
        edit,
        fetch,
        follow,
        open_library,
        play,
        publish,
        record,
        share,
        start_seeder,
        stop_seeder,
        sync,
    )
    from memocast.errors import MemocastError
    from memocast.formats.channel import Channel
    from memocast.formats.link import Link
    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.settings import Settings
    from memocast.version import __version__

__all__ = [
    "Channel",
    "Library",
    "Link",
    "Memo",
    "MemocastError",
    "Settings",
    "__version__",
    "add",
    "create_channel",
    "edit",
    "fetch",
    "follow",
    "open_library",
    "play",
    "publish",
    "record",
    "share",
    "start_seeder",
    "stop_seeder",
    "sync",
]

_HOMES = {
    "Channel": "formats.channel",
    "Library": "library.library",
    "Link": "formats.link",
    "Memo": "formats.memo",
    "MemocastError": "errors",
    "Settings": "settings",
    "__version__": "version",
}
"""The module of each public name; that of the functions is `api`."""


def __getattr__(name: str) -> object:
    # A command that only parses its arguments need not pay for all of these (PEP 562).
    import importlib

    if name in __all__:
        home = _HOMES.get(name, "api")
        return getattr(importlib.import_module(f"memocast.{home}"), name)
    raise AttributeError(f"module 'memocast' has no attribute '{name}'")
