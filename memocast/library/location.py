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

_CONTROLS = {chr(code) for code in (*range(0x20), 0x7F)}


def library_root(chosen: str | None = None) -> Path:
    """Return the library's folder: `chosen`, `$MEMOCAST_LIBRARY` or the platform's data folder.

    Raises UsageError.
    """
    where, otherwise = "--library", "leave it out"
    if chosen is None:
        chosen = os.environ.get("MEMOCAST_LIBRARY")
        where, otherwise = "$MEMOCAST_LIBRARY", "unset it: unset MEMOCAST_LIBRARY"
    if chosen is None:
        import platformdirs

        return _absolute(platformdirs.user_data_path("memocast", appauthor=False))
    if not chosen.strip():
        # Often a variable in a script that was never set; the default would be a surprise.
        raise UsageError(f"{where} is empty", hint=f"name a folder, or {otherwise}")
    try:
        root = _absolute(Path(chosen).expanduser())
    except RuntimeError as error:
        raise UsageError(f"'{chosen}': {error}", hint="write the full path") from error
    if _CONTROLS & set(chosen) and not root.is_dir():
        raise UsageError(
            f"{where} contains a line break or another control character: '{chosen}'",
            hint="check what was pasted or expanded there",
        )
    return root


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError as error:
        raise UsageError(
            "the current folder no longer exists", hint="go to another: cd ~"
        ) from error


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
