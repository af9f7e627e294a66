"""memocast: record a voice memo and share it as a link.

The command line is one user of this package, and your program can be another.
`memocast.open_library()` returns a `Library` of `Memo` objects, and the functions here do what
the commands do. docs/library.md has examples.
"""

from __future__ import annotations

# Type checkers recognise the name of this flag; importing `typing` for it would take 10 ms.
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
"""The module of each public name; functions are in `api`."""


def __getattr__(name: str) -> object:
    # Import on first use (PEP 562), so that commands pay only for what they need.
    import importlib

    if name in __all__:
        home = _HOMES.get(name, "api")
        return getattr(importlib.import_module(f"memocast.{home}"), name)
    raise AttributeError(f"module 'memocast' has no attribute '{name}'")
