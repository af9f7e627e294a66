"""Checks for anything that would stop recording or sharing, each with its fix."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from memocast.audio.devices import devices, microphone, speaker
from memocast.doctor.finding import Finding
from memocast.doctor.network import examine_network
from memocast.errors import DamagedLibrary, LibraryError, MemocastError, ReadOnly
from memocast.library.audit import audit
from memocast.library.seeder_lock import SeederLock
from memocast.library.tables import room
from memocast.processes.process_limits import hint_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memocast.audio.devices import Device
    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.settings import Settings

_ENOUGH_BYTES = 100_000_000
_SOME = 5


def examine(open_library: Callable[[], Library], settings: Settings) -> Iterator[Finding]:
    """Check everything. Contacts the trackers and the DHT with a random info-hash."""
    yield from _sound(settings)
    try:
        library = open_library()
    except LibraryError as error:
        yield Finding("library", ok=False, detail=error.message, fix=error.hint)
        return
    yield from examine_library(library)
    yield _seeder(library, settings)
    yield from examine_network(library, settings)


def _sound(settings: Settings) -> Iterator[Finding]:
    """Check the microphone and the speaker; in one finding if the sound system fails."""
    try:
        found = devices()
    except MemocastError as error:
        yield Finding("sound", ok=False, detail=error.message, fix=hint_for(error))
        return
    yield _device("microphone", lambda: microphone(settings.device, found))
    yield _device("speaker", lambda: speaker("", found))


def _device(what: str, find: Callable[[], Device]) -> Finding:
    try:
        return Finding(what, ok=True, detail=find().name)
    except MemocastError as error:
        return Finding(what, ok=False, detail=error.message, fix=hint_for(error))


def examine_library(library: Library) -> Iterator[Finding]:
    """Check the database, the audio files and the free space."""
    free = shutil.disk_usage(library.root).free
    try:
        library.check()
    except DamagedLibrary as error:
        yield Finding("library", ok=False, detail=error.message, fix=error.hint)
        return
    refusal = library.refusal
    if refusal is not None and (isinstance(refusal, ReadOnly) or free >= room.ENOUGH_BYTES):
        yield Finding("library", ok=False, detail=refusal.message, fix=refusal.hint)
    elif free < _ENOUGH_BYTES:
        yield Finding(
            "library", ok=False, detail=f"only {free:,} bytes free", fix="free some space"
        )
    else:
        memos = _count(len(library.memos()), "memo")
        detail = f"{library.root}: {memos}, {free / 1e9:.1f} GB free"
        yield Finding("library", ok=True, detail=detail)
    yield from _audio_files(library)


def _audio_files(library: Library) -> Iterator[Finding]:
    found = audit(library)
    problems = [
        _wrong(
            "missing audio",
            [f"{memo.filename} '{memo.title}'" for memo in found.missing],
            "missing from 'memos': {names}",
            f"restore it from a backup into {library.audio_folder}, or give up the memo:"
            " memocast remove {first}",
            found.missing,
        ),
        _wrong(
            "changed audio",
            [memo.filename for memo in found.changed],
            "no longer what memocast stored: {names}",
            "restore the original from a backup; or, to keep the changed file,"
            " 'memocast add' it as a new memo and remove the old one; it is not seeded",
        ),
        _wrong(
            "unknown files",
            [path.name for path in found.unknown],
            "in 'memos' without a memo: {names}",
            "'memocast doctor --repair' restores those named like a memo;"
            " 'memocast add' the others, or move them away",
        ),
        _wrong(
            "sealed files",
            [f"{memo.id} '{memo.title}'" for memo in found.unsealed],
            "missing or changed in 'sealed', for {names}",
            "restore it from a backup; or unshare the memo and share it again:"
            " memocast unshare {first}; if it came by a link, remove it and fetch it again",
            found.unsealed,
        ),
    ]
    wrong = [problem for problem in problems if problem]
    yield from wrong or [Finding("audio files", ok=True, detail="all present and unchanged")]


def _wrong(
    what: str, names: Sequence[str], detail: str, fix: str, memos: Sequence[Memo] = ()
) -> Finding | None:
    """Return what is wrong with these files, naming the first few; None if there are none."""
    if not names:
        return None
    count = f"{_count(len(names), 'file')} {'is' if len(names) == 1 else 'are'}"
    shown = ", ".join(names[:_SOME])
    first = memos[0].id if memos else ""
    return Finding(
        what,
        ok=False,
        detail=f"{count} {detail.replace('{names}', shown)}",
        fix=fix.replace("{first}", first),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seeder(library: Library, settings: Settings) -> Finding:
    report = SeederLock(library.root).report()
    wanted = len(library.seedables.all(fetched=settings.seed_fetched))
    if report:
        memos = _count(report.seeding, "memo")
        return Finding("seeder", ok=True, detail=f"running, pid {report.pid}, {memos}")
    if wanted:
        verb = "does" if wanted == 1 else "do"
        return Finding(
            "seeder",
            ok=False,
            detail=f"not running, so {_count(wanted, 'link')} {verb} not answer",
            fix="memocast seed --background",
        )
    return Finding("seeder", ok=True, detail="not running, and nothing is shared")
