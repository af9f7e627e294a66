"""What would stop recording or sharing, each with its fix."""

from __future__ import annotations

import secrets
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast import events
from memocast.audit import audit
from memocast.devices import microphone, speaker
from memocast.errors import DamagedLibrary, LibraryError, MemocastError
from memocast.link import Link
from memocast.presence import Presence
from memocast.swarm import Swarm, classic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memocast.devices import Device
    from memocast.library import Library
    from memocast.settings import Settings

NETWORK_SECONDS = 10.0
_ENOUGH_BYTES = 100_000_000
_POLL_SECONDS = 0.1
_SOME = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `fix` is empty when it is fine."""

    check: str
    ok: bool
    detail: str
    fix: str = ""


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
    yield from _network(library, settings)


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
    if not (found.missing or found.changed or found.unknown):
        yield Finding("audio files", ok=True, detail="all there, and as memocast kept them")


def _files(found: Sequence[object]) -> str:
    return "1 file is" if len(found) == 1 else f"{len(found)} files are"


def _seeder(library: Library, settings: Settings) -> Finding:
    report = Presence(library.root).report()
    wanted = library.shares.seedable(fetched=settings.seed_fetched)
    if report:
        return Finding(
            "seeder", ok=True, detail=f"running, pid {report['pid']}, {report['seeding']} memos"
        )
    if wanted:
        return Finding(
            "seeder",
            ok=False,
            detail=f"not running, so {len(wanted)} links do not answer",
            fix="memocast seed --background",
        )
    return Finding("seeder", ok=True, detail="not running, and nothing is shared")


def _network(library: Library, settings: Settings) -> Iterator[Finding]:
    trackers = classic(settings.trackers)
    mapped: list[str] = []
    refused: dict[str, str] = {}
    said: dict[str, Finding] = {}
    listening: list[str] = []
    busy: list[str] = []
    addresses = settings.addresses(library.listen_port())
    ours = Presence(library.root).is_running()
    if ours:  # the seeder holds the library's port
        addresses = [(host, 0) for host, _ in addresses]
    swarm = Swarm(settings, addresses, exact_port=not ours)
    try:
        # Nobody has this info-hash; a tracker that answers it answers any.
        nothing = secrets.token_hex(20)
        swarm.fetch(nothing, Link(v1=nothing), library.root / "incoming", trackers)
        deadline = time.monotonic() + NETWORK_SECONDS
        while time.monotonic() < deadline:
            for event in swarm.poll(_POLL_SECONDS):
                match event:
                    case events.Listening(host=host):
                        listening.append(host)
                    case events.ListenFailed(host=host, port=port, reason=reason):
                        busy.append(f"{host} port {port}: {reason}")
                    case events.PortMapped(by=by):
                        mapped.append(by)
                    case events.PortMappingFailed(by=by, reason=reason):
                        refused[by] = reason
                    case events.TrackerAnswered(url=url):
                        said[url] = Finding(f"tracker {url}", ok=True, detail="answers")
                    case events.TrackerFailed(url=url, reason=reason):
                        said[url] = _tracker_problem(url, reason)
            mapping_known = bool(mapped) or len(refused) > 1 or not settings.port_mapping
            dht_known = swarm.dht_nodes > 0 or not settings.dht
            if listening and mapping_known and dht_known and len(said) == len(trackers):
                break
        nodes = swarm.dht_nodes
    finally:
        swarm.close()
    yield _listening(listening, busy)
    yield _port_mapping(settings, mapped, refused)
    yield _dht(settings, nodes)
    for url in settings.trackers:
        if url not in trackers:
            yield Finding(f"tracker {url}", ok=True, detail="for browsers; not asked from here")
    if not settings.trackers:
        yield Finding("trackers", ok=True, detail="turned off")
    for url in trackers:
        yield said.get(url) or _tracker_problem(url, "no answer")


def _tracker_problem(url: str, reason: str) -> Finding:
    return Finding(
        f"tracker {url}",
        ok=False,
        detail=reason,
        fix="check your connection, or set 'trackers' to others in config.toml",
    )


def _listening(listening: list[str], failed: list[str]) -> Finding:
    if listening:
        return Finding("listening", ok=True, detail=" ".join(dict.fromkeys(listening)))
    return Finding(
        "listening",
        ok=False,
        detail="; ".join(dict.fromkeys(failed)) or "no address works",
        fix="end the program that has the port, or set 'listen' to another",
    )


def _port_mapping(settings: Settings, mapped: list[str], refused: dict[str, str]) -> Finding:
    if not settings.port_mapping:
        return Finding("port mapping", ok=True, detail="turned off")
    if mapped:
        return Finding("port mapping", ok=True, detail=f"works by {', '.join(sorted(set(mapped)))}")
    reasons = "; ".join(f"{by}: {reason}" for by, reason in refused.items())
    return Finding(
        "port mapping",
        ok=False,
        detail=reasons or "no router answered UPnP or NAT-PMP",
        fix="turn on UPnP in your router, or forward the port of 'memocast status' to this machine",
    )


def _dht(settings: Settings, nodes: int) -> Finding:
    if not settings.dht:
        return Finding("dht", ok=True, detail="turned off")
    if nodes:
        return Finding("dht", ok=True, detail=f"{nodes} nodes")
    return Finding(
        "dht",
        ok=False,
        detail="no node answered",
        fix="allow outgoing UDP, or set 'dht_bootstrap' to nodes you can reach",
    )
