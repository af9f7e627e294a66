"""What would stop recording or sharing, each with its fix."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from memocast.audio.devices import microphone, speaker
from memocast.doctor.finding import Finding
from memocast.doctor.network import examine_network
from memocast.errors import DamagedLibrary, LibraryError, MemocastError
from memocast.library.audit import audit
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memocast.audio.devices import Device
    from memocast.library.library import Library
    from memocast.settings import Settings

_ENOUGH_BYTES = 100_000_000
_SOME = 5


def examine(open_library: Callable[[], Library], settings: Settings) -> Iterator[Finding]:
    """Look at everything. Contacts the trackers and the DHT, with an info-hash of nothing."""
    yield _device("microphone", microphone, settings.device)
    yield _device("speaker", speaker, "")
    try:
        library = open_library()
    except LibraryError as error:
        yield Finding("library", ok=False, detail=error.message, fix=error.hint)
        return
    yield from examine_library(library)
    yield _seeder(library, settings)
    yield from examine_network(library, settings)


def _device(what: str, find: Callable[[str], Device], selection: str) -> Finding:
    try:
        return Finding(what, ok=True, detail=find(selection).name)
    except MemocastError as error:
        return Finding(what, ok=False, detail=error.message, fix=error.hint)


def examine_library(library: Library) -> Iterator[Finding]:
    """Look at the database, the audio files and the room there is."""
    free = shutil.disk_usage(library.root).free
    try:
        library.check()
    except DamagedLibrary as error:
        yield Finding("library", ok=False, detail=error.message, fix=error.hint)
        return
    if free < _ENOUGH_BYTES:
        yield Finding(
            "library", ok=False, detail=f"only {free:,} bytes are free", fix="free some space"
        )
    else:
        count = len(library.memos())
        detail = f"{library.root}: {count} memos, {free / 1e9:.1f} GB free"
        yield Finding("library", ok=True, detail=detail)
    yield from _audio_files(library)


def _audio_files(library: Library) -> Iterator[Finding]:
    found = audit(library)
    if found.missing:
        named = ", ".join(f"{memo.filename} '{memo.title}'" for memo in found.missing[:_SOME])
        yield Finding(
            "missing audio",
            ok=False,
            detail=f"{_files(found.missing)} gone from 'memos': {named}",
            fix=f"put it back from a backup into {library.audio_folder}, or give the memo up:"
            f" memocast remove {found.missing[0].id}",
        )
    if found.changed:
        named = ", ".join(memo.filename for memo in found.changed[:_SOME])
        yield Finding(
            "changed audio",
            ok=False,
            detail=f"{_files(found.changed)} not what memocast kept: {named}",
            fix="put the original back from a backup; or, to keep what it is now,"
            " 'memocast add' it as a new memo and remove the old one; it is not seeded",
        )
    if found.unknown:
        named = ", ".join(path.name for path in found.unknown[:_SOME])
        yield Finding(
            "unknown files",
            ok=False,
            detail=f"{_files(found.unknown)} in 'memos' without a memo: {named}",
            fix="those named like a memo are taken back by 'memocast doctor --repair';"
            " 'memocast add' others, or move them away",
        )
    if found.unsealed:
        named = ", ".join(f"{memo.id} '{memo.title}'" for memo in found.unsealed[:_SOME])
        yield Finding(
            "sealed files",
            ok=False,
            detail=f"{_files(found.unsealed)} in 'sealed' gone or changed, of {named}",
            fix="put it back from a backup; or end that link, and share the memo anew:"
            f" memocast unshare {found.unsealed[0].id}; one that came by a link, remove and"
            " fetch it again",
        )
    if not (found.missing or found.changed or found.unknown or found.unsealed):
        yield Finding("audio files", ok=True, detail="all there, and as memocast kept them")


def _files(found: Sequence[object]) -> str:
    return "1 file is" if len(found) == 1 else f"{len(found)} files are"


def _seeder(library: Library, settings: Settings) -> Finding:
    report = SeederLock(library.root).report()
    wanted = library.seedables.all(fetched=settings.seed_fetched)
    if report:
        return Finding(
            "seeder", ok=True, detail=f"running, pid {report.pid}, {report.seeding} memos"
        )
    if wanted:
        return Finding(
            "seeder",
            ok=False,
            detail=f"not running, so {len(wanted)} links do not answer",
            fix="memocast seed --background",
        )
    return Finding("seeder", ok=True, detail="not running, and nothing is shared")
