"""memocast: record a voice memo, get a link, and anyone with the link can listen.

The command line is one user of this package. A program of your own can be
another: open a `Library`, read its `Memo` objects, catch `MemocastError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memocast.errors import MemocastError
    from memocast.library import Library
    from memocast.link import Link
    from memocast.memo import Memo

__all__ = ["Library", "Link", "Memo", "MemocastError", "__version__"]

__version__ = "0.1.0"

_HOMES = {"Library": "library", "Link": "link", "Memo": "memo", "MemocastError": "errors"}


def __getattr__(name: str) -> Any:
    # A command that only parses its arguments need not pay for all of these (PEP 562).
    if name in _HOMES:
        return getattr(importlib.import_module(f"memocast.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'memocast' has no attribute '{name}'")
