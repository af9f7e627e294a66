"""What crashed processes left in `incoming/`, and how it gets into the library after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.incoming import Entry
    from memocast.library import Library
    from memocast.memo import Memo


def adopt(library: Library) -> Iterator[Memo]:
    """Turn each recording that nobody owns any more into a memo, once."""
    for entry in library.incoming.left_behind():
        try:
            adopted = _adopted(library, entry)
        finally:
            entry.release()
        if adopted:
            yield adopted


def _adopted(library: Library, entry: Entry) -> Memo | None:
    from memocast import audio

    draft = library.recover(entry)
    if draft is None or entry.kind == "import" or not entry.audio(draft.format).exists():
        # What an import was copied from is still where it was.
        entry.discard()
        return None
    path = entry.audio(draft.format)
    try:
        with library.translated():
            if draft.origin == "recorded":
                audio.salvage(path, draft.format)
        sound = audio.examine(path)
    except Refused:
        # Its owner died before one page of audio had reached the disk.
        entry.discard()
        return None
    return library.keep(entry, draft, sound.duration, sound.peaks)
