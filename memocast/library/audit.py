"""Audit: whether the audio files of a library are those that its database knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.memo import Memo
    from memocast.library.library import Library


@dataclass(frozen=True, slots=True)
class Audit:
    """What does not fit: memos without their file, or with another content, and unknown files.

    `unsealed`: memos whose age file is gone, or is not what it was.
    """

    missing: list[Memo]
    changed: list[Memo]
    unknown: list[Path]
    unsealed: list[Memo]


def audit(library: Library) -> Audit:
    """Compare database and files. Only files whose size or time differ are read."""
    # Before the rows: a file is put in place before its row is.
    with library.translated():
        pending = library.staging.pending()
        files = {path.name: path for path in library.audio_folder.iterdir()}
    rows = library.rows()
    known = {memo.filename for memo in rows}
    unknown = [
        path
        for name, path in sorted(files.items())
        if name not in known and path.stem not in pending
    ]
    missing = [memo for memo in rows if not library.path(memo).exists()]
    gone = {memo.id for memo in missing}
    changed = [
        memo for memo in rows if memo.id not in gone and not library.seedables.is_intact(memo)
    ]
    offered = library.seedables.all(fetched=True)
    broken = {found.memo for found in offered if found.mode != "public" and not found.intact}
    unsealed = [memo for memo in rows if memo.id in broken]
    return Audit(missing, changed, unknown, unsealed)
