"""What crashed processes left in `incoming/`, and how it gets into the library after all."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from memocast import audio, encoder
from memocast.errors import MemocastError, NoSound

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.incoming import Entry
    from memocast.library import Library
    from memocast.memo import Memo


def adopt(library: Library, tell: Callable[[str], None]) -> None:
    """Turn each recording that nobody owns any more into a memo, once; `tell` what was done."""
    with library.translated():
        entries = list(library.incoming.left_behind())
    for entry in entries:
        try:
            memo = _adopted(library, entry)
        except MemocastError as error:
            # It stays where it is: the next command tries again.
            tell(f"the unfinished recording in {entry.folder} could not be kept: {error}")
        else:
            if memo:
                tell(f"recovered an unfinished recording as memo {memo.id}: {memo.title}")
        finally:
            entry.release()


def _adopted(library: Library, entry: Entry) -> Memo | None:
    draft = library.recover(entry)
    # An import is noted once its copy is whole; before that, its source still is.
    if draft is None or not entry.audio(draft.format).exists():
        entry.discard()
        return None
    path = entry.audio(draft.format)
    try:
        with library.translated():
            if draft.origin == "recorded":
                encoder.salvage(path, draft.format)
            sound = audio.examine(path, limit=math.inf)
    except NoSound:
        # Its owner died before one page of audio had reached the disk.
        entry.discard()
        return None
    return library.keep(entry, draft, sound.duration, sound.peaks)
