"""What crashed processes left in `incoming/`, and how it gets into the library after all."""

from __future__ import annotations

import contextlib
import math
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, NoSound
from memocast.formats.memo import title_from_time
from memocast.library.draft import Draft, NewMemo
from memocast.library.staging import SEALED
from memocast.settings import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.library.staging import StagingEntry

_PART = re.compile(
    r"\.memocast-[0-9a-f]{16}\.part|(seeder\.json|identity\.txt\.\d+\.new)\.\d+\.part"
)
"""What `files.creating` calls a file until it is whole, and what older releases did."""

_WRITING_SECONDS = 60.0
"""A file of the library's own folder that is not whole after so long is nobody's any more."""


def adopt(library: Library, tell: Callable[[str], None]) -> None:
    """Turn each recording that nobody owns any more into a memo, once; `tell` what was done."""
    with library.translated():
        for partial in library.root.iterdir():
            if not _PART.fullmatch(partial.name):
                continue
            with contextlib.suppress(FileNotFoundError):  # just now it became whole
                if time.time() - partial.stat().st_mtime > _WRITING_SECONDS:
                    partial.unlink()
        entries = list(library.staging.left_behind())
    for entry in entries:
        try:
            memo = _adopt(library, entry)
        except MemocastError as error:
            # It stays where it is: the next command tries again.
            tell(f"the unfinished recording in {entry.folder} could not be kept: {error}")
        else:
            if memo:
                tell(f"recovered an unfinished recording as memo {memo.id}: {memo.title}")
        finally:
            entry.release()


def _adopt(library: Library, entry: StagingEntry) -> Memo | None:
    if entry.kind == "sealing":  # the audio it was made from is where it was
        if isinstance(info_hash := entry.facts().get(SEALED), str):
            library.shares.take_back(info_hash)
        entry.discard()
        return None
    if entry.kind == "download":  # it waits for the next fetch, unless that was over
        if Draft.from_facts(entry.facts()) and library.recover(entry) is None:
            entry.discard()
        else:
            entry.hide()
        return None
    if entry.kind == "page":  # it is made, or comes, once more
        library.feed_pages.sweep()
        entry.discard()
        return None
    draft = library.recover(entry) if entry.facts() else _nameless(library, entry)
    # An import is noted once its copy is whole; before that, its source still is.
    if draft is None or not entry.audio(draft.format).exists():
        entry.discard()
        return None
    from memocast.audio import recording_file
    from memocast.audio.examine import examine

    path = entry.audio(draft.format)
    try:
        with library.translated():
            if draft.origin == "recorded":
                recording_file.salvage(path, draft.format)
            sound = examine(path, limit=math.inf)
    except NoSound:
        # Its owner died before one page of audio had reached the disk.
        entry.discard()
        return None
    return library.keep(entry, NewMemo(draft, sound.duration, sound.peaks))


def _nameless(library: Library, entry: StagingEntry) -> Draft | None:
    """A draft for a recording whose notes cannot be read; its sound is still there."""
    if entry.kind != "recording":
        return None
    for format_ in FORMATS:
        if entry.audio(format_).exists():
            draft = library.draft("recovered", "", format_, "recorded")
            return replace(draft, title=title_from_time(draft.created))
    return None
