"""memocast: record a voice memo, get a link, and anyone with the link can listen.

The command line is one user of this package. A program of your own can be
another: open a `Library`, read its `Memo` objects, catch `MemocastError`.
"""

from memocast.errors import MemocastError
from memocast.library import Library
from memocast.link import Link
from memocast.memo import Memo

__all__ = ["Library", "Link", "Memo", "MemocastError", "__version__"]

__version__ = "0.1.0"
