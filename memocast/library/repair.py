"""Rebuilding a library whose database is damaged."""

from __future__ import annotations

import math
import os
import re
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memocast.audio.examine import examine
from memocast.audio.tags import read_tags
from memocast.errors import DamagedLibrary, LibraryError, Refused
from memocast.files import fsync_folder
from memocast.formats.memo import ID_PATTERN, now, title_from_time
from memocast.library import backups
from memocast.library.audit import audit
from memocast.library.draft import Draft, NewMemo
from memocast.library.library import Library
from memocast.library.seeder_lock import SeederLock
from memocast.library.staging import Staging
from memocast.library.tables import schema
from memocast.library.tables.database import Database
from memocast.library.tables.failures import translated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def repair(root: Path, tell: Callable[[str], None]) -> None:
    """Repair the library in `root`; `tell` reports each thing that was done.

    A damaged database is moved aside and replaced by its newest intact copy;
    audio files without a row get one, from their tags. Nothing is deleted.
    Raises LibraryError while another process uses the library.
    """
    seeder_lock = SeederLock(root)
    with translated(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        root.mkdir(0o700, exist_ok=True)
        claimed = seeder_lock.claim(seeding=False)
    if not claimed:
        raise LibraryError(
            "the library is being seeded", hint="stop the seeder first: memocast seed --stop"
        )
    try:
        try:
            _open_sound(root).close()
        except DamagedLibrary as damage:
            tell(damage.message)
            _rebuild(root, tell)
        library = _open_sound(root)
        try:
            _restore(library, tell)
        finally:
            library.close()
    finally:
        seeder_lock.release()


def _open_sound(root: Path) -> Library:
    library = Library(root)
    try:
        library.check()
    except BaseException:
        library.close()
        raise
    return library


def _rebuild(root: Path, tell: Callable[[str], None]) -> None:
    path = root / "library.db"
    with translated(path):
        if Staging(root / "incoming").is_in_use():
            raise LibraryError(
                "a recording or a fetch is in progress", hint="end it, then repair again"
            )
        rebuilt = path.with_suffix(".rebuilt")
        for leftover in root.glob(f"{rebuilt.name}*"):  # of a repair that was interrupted
            leftover.unlink()
        copy = backups.Backups(path, root / "backups").newest(len(schema.MIGRATIONS))
        if copy:
            rebuilt.touch(0o600)
            shutil.copyfile(copy, rebuilt)
        else:
            Database(rebuilt).close()
        with rebuilt.open("rb") as file:
            os.fsync(file.fileno())
        aside = _put_aside(root, path)
        rebuilt.replace(path)
        fsync_folder(root)
    if aside:
        tell(f"the damaged database was moved to {aside}")
    if copy:
        made = datetime.fromtimestamp(copy.stat().st_mtime, UTC).astimezone()
        tell(f"the copy from {made:%Y-%m-%d %H:%M:%S} took its place")
    else:
        tell("there is no copy of it; the library is rebuilt from its audio files")


def _put_aside(root: Path, path: Path) -> Path | None:
    parts = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    there = [part for part in parts if part.exists()]
    if not there:
        return None
    begun = f"{now():%Y-%m-%dT%H-%M-%S}"
    number = 0
    while (aside := root / "damaged" / (f"{begun}-{number}" if number else begun)).exists():
        number += 1
    aside.mkdir(parents=True)
    for part in there:
        part.replace(aside / part.name)
    return aside


def _restore(library: Library, tell: Callable[[str], None]) -> None:
    """Give each audio file that has a memo's name and no row its row back."""
    for path in audit(library).unknown:
        if not re.fullmatch(ID_PATTERN, path.stem):
            continue  # not one of ours; `doctor` reports it
        try:
            with library.translated():
                sound = examine(path, limit=math.inf)
                written = datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
            if path.suffix != f".{sound.format}":
                continue
        except Refused as error:
            tell(f"left unchanged: {error.message}")
            continue
        said = read_tags(path, sound.format)
        created = said.created or written
        draft = Draft(
            id=path.stem,
            title=said.title or title_from_time(created),
            description=said.description or "",
            created=created,
            format=sound.format,
            origin="added",
        )
        memo = library.restore(NewMemo(draft, sound.duration, sound.peaks))
        tell(f"memo {memo.id} was rebuilt from its audio file, as '{memo.title}'")
