"""Finishing what crashed processes left in `incoming/`."""

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
"""Names of unfinished files: those of `files.creating`, and those of older releases."""

_WRITING_SECONDS = 60.0
"""A file in the library's folder that is unfinished after this long was abandoned."""


def adopt(library: Library, tell: Callable[[str], None]) -> None:
    """Turn each recording without an owner into a memo, once; `tell` reports what was done."""
    with library.translated():
        for partial in library.root.iterdir():
            if not _PART.fullmatch(partial.name):
                continue
            with contextlib.suppress(FileNotFoundError):  # it was finished just now
                if time.time() - partial.stat().st_mtime > _WRITING_SECONDS:
                    partial.unlink()
        entries = list(library.staging.left_behind())
    for entry in entries:
        try:
            memo = _adopt(library, entry)
        except MemocastError as error:
            # It stays in place: the next command tries again.
            tell(f"the unfinished recording in {entry.folder} could not be kept: {error}")
        else:
            if memo:
                tell(f"recovered an unfinished recording as memo {memo.id}: {memo.title}")
        finally:
            entry.release()


def _adopt(library: Library, entry: StagingEntry) -> Memo | None:
    if entry.kind == "sealing":  # the audio it was made from is still there
        if isinstance(info_hash := entry.facts().get(SEALED), str):
            library.shares.take_back(info_hash)
        entry.discard()
        return None
    if entry.kind == "download":  # it waits for the next fetch, unless it was complete
        if Draft.from_facts(entry.facts()) and library.recover(entry) is None:
            entry.discard()
        else:
            entry.hide()
        return None
    if entry.kind == "page":  # it will be made or downloaded again
        library.feed_pages.sweep()
        entry.discard()
        return None
    draft = library.recover(entry) if entry.facts() else _nameless(library, entry)
    # An import is noted once its copy is complete; until then, its source still exists.
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
        # Its owner died before any page of audio reached the disk.
        entry.discard()
        return None
    return library.keep(entry, NewMemo(draft, sound.duration, sound.peaks))


def _nameless(library: Library, entry: StagingEntry) -> Draft | None:
    """Return a draft for a recording whose facts cannot be read but whose sound is there."""
    if entry.kind != "recording":
        return None
    for format_ in FORMATS:
        if entry.audio(format_).exists():
            draft = library.draft("recovered", "", format_, "recorded")
            return replace(draft, title=title_from_time(draft.created))
    return None
