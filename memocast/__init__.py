"""memocast: record a voice memo, get a link, and anyone with the link can listen.

The command line is one user of this package. A program of your own can be
another: open a `Library`, read its `Memo` objects, catch `MemocastError`.
"""

from __future__ import annotations

# Type checkers know the flag by its name; `typing` itself takes 10 ms to import.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from memocast.errors import MemocastError
    from memocast.formats.link import Link
    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.version import __version__

__all__ = ["Library", "Link", "Memo", "MemocastError", "__version__"]


_HOMES = {
    "Library": "library.library",
    "Link": "formats.link",
    "Memo": "formats.memo",
    "MemocastError": "errors",
    "__version__": "version",
}


def __getattr__(name: str) -> object:
    # A command that only parses its arguments need not pay for all of these (PEP 562).
    import importlib

    if name in _HOMES:
        return getattr(importlib.import_module(f"memocast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'memocast' has no attribute '{name}'")
