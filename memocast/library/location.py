"""Finding and opening a user's library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from memocast.errors import NoRoom, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.library.library import Library
    from memocast.library.opening import Purpose


def library_root(chosen: str | None = None) -> Path:
    """Return the library's folder: `chosen`, `$MEMOCAST_LIBRARY` or the platform's data folder.

    Raises UsageError.
    """
    if chosen == "":
        raise UsageError("--library is empty", hint="name a folder, or leave it out")
    chosen = chosen or os.environ.get("MEMOCAST_LIBRARY")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise UsageError(f"'{chosen}': {error}", hint="write the full path") from error
    import platformdirs

    return platformdirs.user_data_path("memocast", appauthor=False)


def open_library(
    root: Path, tell: Callable[[str], None] = lambda _: None, purpose: Purpose = "change"
) -> Library:
    """Open the library in `root`, or create it; `tell` reports the recordings recovered.

    `purpose` is as in `Library`. Raises LibraryError.
    """
    from memocast.library.library import Library
    from memocast.library.recovery import adopt

    library = Library(root, purpose)
    if library.refusal is not None:
        return library
    try:
        adopt(library, tell)
        library.set_room_aside()
    except NoRoom:
        if purpose == "change":
            library.close()
            raise
    except BaseException:
        library.close()
        raise
    return library
