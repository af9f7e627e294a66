"""Comparing a library's audio files with its database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.memo import Memo
    from memocast.library.library import Library


@dataclass(frozen=True, slots=True)
class Audit:
    """The differences: memos whose file is missing or changed, and unknown files.

    `unsealed`: memos whose age file is missing or changed.
    """

    missing: list[Memo]
    changed: list[Memo]
    unknown: list[Path]
    unsealed: list[Memo]


def audit(library: Library) -> Audit:
    """Compare database and files. Reads only files whose size or time differs."""
    # Before the rows: a file is put in place before its row is written.
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
    seedables = library.seedables.all(fetched=True)
    broken = {found.memo for found in seedables if found.mode != "public" and not found.intact}
    unsealed = [memo for memo in rows if memo.id in broken]
    return Audit(missing, changed, unknown, unsealed)
