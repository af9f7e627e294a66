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
    from memocast.formats.memo import Memo
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
    problems = [
        _wrong(
            "missing audio",
            [f"{memo.filename} '{memo.title}'" for memo in found.missing],
            "gone from 'memos': {names}",
            f"put it back from a backup into {library.audio_folder}, or give the memo up:"
            " memocast remove {first}",
            found.missing,
        ),
        _wrong(
            "changed audio",
            [memo.filename for memo in found.changed],
            "not what memocast kept: {names}",
            "put the original back from a backup; or, to keep what it is now,"
            " 'memocast add' it as a new memo and remove the old one; it is not seeded",
        ),
        _wrong(
            "unknown files",
            [path.name for path in found.unknown],
            "in 'memos' without a memo: {names}",
            "those named like a memo are taken back by 'memocast doctor --repair';"
            " 'memocast add' others, or move them away",
        ),
        _wrong(
            "sealed files",
            [f"{memo.id} '{memo.title}'" for memo in found.unsealed],
            "in 'sealed' gone or changed, of {names}",
            "put it back from a backup; or end that link, and share the memo anew:"
            " memocast unshare {first}; one that came by a link, remove and fetch it again",
            found.unsealed,
        ),
    ]
    wrong = [problem for problem in problems if problem]
    yield from wrong or [
        Finding("audio files", ok=True, detail="all there, and as memocast kept them")
    ]


def _wrong(
    what: str, names: Sequence[str], detail: str, fix: str, memos: Sequence[Memo] = ()
) -> Finding | None:
    """What is wrong with these files, the first of which are named; None when there are none."""
    if not names:
        return None
    count = "1 file is" if len(names) == 1 else f"{len(names)} files are"
    shown = ", ".join(names[:_SOME])
    first = memos[0].id if memos else ""
    return Finding(
        what,
        ok=False,
        detail=f"{count} {detail.replace('{names}', shown)}",
        fix=fix.replace("{first}", first),
    )


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
