"""What the processes of a seeder tell each other, and what the seeder tells everybody.

A worker tells its supervisor events by lines of JSON, one of them its `WorkerReport`, once a
second. The supervisor tells `seed --json` the same events, and keeps its `SeederReport` in
`seeder.json`. `docs/formats.md` has the fields. `to_json` and the functions that read are the
only places that know of JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Uploads:
    """How a torrent, or all torrents of a memo, fare now.

    `browsers` of the `peers` came by WebRTC. `upload_rate` in bytes a second, `uploaded` in bytes
    in this run. `copies`: complete peers that are connected; `safe`: one of them has been for long.
    """

    peers: int = 0
    browsers: int = 0
    upload_rate: int = 0
    uploaded: int = 0
    copies: int = 0
    safe: bool = False

    def __add__(self, other: Uploads) -> Uploads:
        """Both as if they were one."""
        return Uploads(
            self.peers + other.peers,
            self.browsers + other.browsers,
            self.upload_rate + other.upload_rate,
            self.uploaded + other.uploaded,
            self.copies + other.copies,
            self.safe or other.safe,
        )


# -- events ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listening:
    """Peers can connect to this address."""

    address: str


@dataclass(frozen=True, slots=True)
class PortMapped:
    """A router passes connections on: `by` is the protocol that asked it to."""

    by: str
    port: int


@dataclass(frozen=True, slots=True)
class TrackerSaid:
    """A tracker answered with so many peers; or did not, for a reason."""

    url: str
    ok: bool
    peers: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a worker ended. It is started again."""

    problem: str


@dataclass(frozen=True, slots=True)
class Seeding:
    """A memo is offered from now on."""

    id: str
    info_hash: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A memo is no longer offered."""

    id: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A memo is not offered: its file is not what was hashed."""

    id: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Peers of a memo came, went or took something."""

    id: str
    info_hash: str
    uploads: Uploads


@dataclass(frozen=True, slots=True)
class Failed:
    """The error that ends a worker."""

    message: str
    hint: str
    exit_code: int


# -- reports ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """How others find the seeder: addresses as text, trackers by URL, `mapped` by protocol."""

    listening: list[str] = field(default_factory=list)
    mapped: dict[str, int] = field(default_factory=dict)
    mapping_failed: dict[str, str] = field(default_factory=dict)
    dht_nodes: int = 0
    trackers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How a worker fares; `memos` by id and `torrents` by info-hash are the active ones.

    `only`: the ids of the memos that were asked for, all if none. `for_browsers` and `for_lan`:
    whether other workers have something to do. `to_sync` changes when there is something new to
    sync. `stun_answers` is None without a STUN server. A worker tells of one or the other.
    """

    session_pid: int | None = None
    seeding: int = 0
    damaged: list[str] = field(default_factory=list)
    memos: dict[str, Uploads] = field(default_factory=dict)
    torrents: dict[str, Uploads] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    for_browsers: bool = False
    for_lan: bool = False
    to_sync: str = ""
    reach: Reach = Reach()
    stun_answers: bool | None = None


@dataclass(frozen=True, slots=True)
class Crash:
    """When a worker crashed, as in RFC 3339, and how."""

    when: str
    how: str


@dataclass(frozen=True, slots=True)
class WorkerSummary:
    """What everybody is told of a worker beside the classic one."""

    session_pid: int | None = None
    seeding: int = 0
    crashes: int = 0
    last_crash: Crash | None = None
    problem: str | None = None
    stun_answers: bool | None = None


@dataclass(frozen=True, slots=True)
class SeederReport:
    """What everybody is told of the seeder: of its classic worker, and sums of all workers.

    `started` as in RFC 3339, `heard` in unix seconds: when this was written; 0 of a seeder that
    does not say.
    """

    pid: int
    version: str = ""
    started: str = ""
    heard: int = 0
    crashes: int = 0
    last_crash: Crash | None = None
    problem: str | None = None
    session_pid: int | None = None
    seeding: int = 0
    damaged: list[str] = field(default_factory=list)
    memos: dict[str, Uploads] = field(default_factory=dict)
    torrents: dict[str, Uploads] = field(default_factory=dict)
    only: list[str] = field(default_factory=list)
    for_browsers: bool = False
    for_lan: bool = False
    to_sync: str = ""
    reach: Reach = Reach()
    web: WorkerSummary | None = None
    lan: WorkerSummary | None = None


Event = (
    Listening
    | PortMapped
    | TrackerSaid
    | Trouble
    | Seeding
    | Removed
    | Damaged
    | Transfer
    | Failed
    | WorkerReport
    | SeederReport
)

_NAMES: dict[str, type[Any]] = {
    "listening": Listening,
    "port_mapped": PortMapped,
    "tracker": TrackerSaid,
    "trouble": Trouble,
    "seeding": Seeding,
    "removed": Removed,
    "damaged": Damaged,
    "transfer": Transfer,
    "failed": Failed,
    "report": WorkerReport,
}


# -- JSON ------------------------------------------------------------------------------


def to_json(event: Event) -> dict[str, Any]:
    """The event as a line has it, and a report as `seeder.json` has it."""
    document: dict[str, Any] = _plain(event)
    if isinstance(event, SeederReport):
        if event.lan:
            del document["lan"]["stun_answers"]
        return document
    if isinstance(event, Transfer):
        document |= document.pop("uploads")
    elif isinstance(event, TrackerSaid):
        del document["reason" if event.ok else "peers"]
    name = next(name for name, kind in _NAMES.items() if isinstance(event, kind))
    return {"event": name, **document}


def event_of(document: dict[str, Any]) -> Event:
    """The event of a line that a worker of this version wrote."""
    kind = _NAMES[document["event"]]
    if kind is Transfer:
        return Transfer(document["id"], document["info_hash"], _typed(Uploads, document))
    found: Event = _typed(kind, document)
    return found


def seeder_report_of(document: object) -> SeederReport | None:
    """The report in a `seeder.json`, perhaps of another version; None when peers cannot connect.

    It says so by having no `reach` yet. What it does not say has its default.
    """
    if not isinstance(document, dict) or not isinstance(document.get("pid"), int):
        return None
    try:
        return _typed(SeederReport, document) if "reach" in document else None
    except (AttributeError, TypeError, ValueError):
        return None


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {part.name: _plain(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


_NESTED: dict[str, type[Any]] = {
    "reach": Reach,
    "last_crash": Crash,
    "web": WorkerSummary,
    "lan": WorkerSummary,
}


def _typed(kind: type[Any], document: dict[str, Any]) -> Any:
    given = {part.name: document[part.name] for part in fields(kind) if part.name in document}
    for name, value in given.items():
        if name in _NESTED and value is not None:
            given[name] = _typed(_NESTED[name], value)
        elif name in ("memos", "torrents"):
            given[name] = {key: _typed(Uploads, said) for key, said in value.items()}
    return kind(**given)
