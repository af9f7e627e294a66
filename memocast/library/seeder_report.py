"""The events and reports that the processes of a seeder exchange and publish.

A worker sends its supervisor events as lines of JSON, and once a second its `WorkerReport`. The
supervisor passes the events on to `seed --json` and writes its `SeederReport` to `seeder.json`.
`docs/formats.md` has the fields. Only `to_json` and the functions that read it know the JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from memocast.processes import dataclass_json
from memocast.processes.dataclass_json import from_json


@dataclass(frozen=True, slots=True)
class Uploads:
    """The current uploads of a torrent, or of all torrents of a memo.

    `browsers` counts the `peers` connected by WebRTC. `upload_rate` is in bytes a second,
    `uploaded` in bytes in this run. `copies` counts the complete peers that are connected;
    `safe`: one of them has been complete for long enough.
    """

    peers: int = 0
    browsers: int = 0
    upload_rate: int = 0
    uploaded: int = 0
    copies: int = 0
    safe: bool = False

    def __add__(self, other: Uploads) -> Uploads:
        """Return the sum of both."""
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
    """A router forwards a port to us; `by` is the protocol used to ask it."""

    by: str
    port: int


@dataclass(frozen=True, slots=True)
class TrackerSaid:
    """A tracker answered with a number of peers, or failed for a `reason`."""

    url: str
    ok: bool
    peers: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The reason why a worker ended. It is started again."""

    problem: str


@dataclass(frozen=True, slots=True)
class Seeding:
    """A memo is seeded from now on."""

    id: str
    info_hash: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A memo is no longer seeded."""

    id: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A memo is not seeded, because its file has changed since it was hashed."""

    id: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Peers of a memo connected, disconnected or downloaded something."""

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
    """How peers find the seeder: addresses as text, trackers by URL, mappings by protocol."""

    listening: list[str] = field(default_factory=list)
    mapped: dict[str, int] = field(default_factory=dict)
    mapping_failed: dict[str, str] = field(default_factory=dict)
    dht_nodes: int = 0
    trackers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """The state of a worker; only active `memos`, by id, and `torrents`, by info-hash, are in it.

    `only`: the ids of the memos to seed, empty for all. `for_browsers` and `for_lan`: whether
    other workers have something to do. `to_sync` changes when there is something new to sync.
    `stun_answers` is None without a STUN server. Each kind of worker sets only some fields.
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
    """When a worker crashed, as an RFC 3339 time, and how."""

    when: str
    how: str


@dataclass(frozen=True, slots=True)
class WorkerSummary:
    """The published state of a worker other than the classic one."""

    session_pid: int | None = None
    seeding: int = 0
    problem: str | None = None
    crashes: int = 0
    last_crash: Crash | None = None


@dataclass(frozen=True, slots=True)
class WebSummary(WorkerSummary):
    """That of the worker for browsers."""

    stun_answers: bool | None = None


@dataclass(frozen=True, slots=True)
class LanSummary(WorkerSummary):
    """That of the worker for the local network."""

    only: list[str] = field(default_factory=list)
    for_browsers: bool = False
    for_lan: bool = False
    to_sync: str = ""
    reach: Reach = Reach()


@dataclass(frozen=True, slots=True)
class SeederReport:
    """The published state of the seeder: that of its classic worker, and sums of all workers.

    `started` is an RFC 3339 time. `heard` is when this was written, in unix seconds; 0 if the
    seeder does not say.
    """

    pid: int
    version: str = ""
    started: str = ""
    heard: int = 0
    crashes: int = 0
    last_crash: Crash | None = None
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
    problem: str | None = None
    web: WebSummary | None = None
    lan: LanSummary | None = None


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
    """Return the JSON of an event's line, or of the report in `seeder.json`."""
    document: dict[str, Any] = dataclass_json.to_json(event)
    if isinstance(event, SeederReport):
        return document
    if isinstance(event, Transfer):
        document |= document.pop("uploads")
    elif isinstance(event, TrackerSaid):
        del document["reason" if event.ok else "peers"]
    name = next(name for name, kind in _NAMES.items() if isinstance(event, kind))
    return {"event": name, **document}


def event_of(document: dict[str, Any]) -> Event:
    """Return the event in a line from a worker of this version."""
    kind = _NAMES[document["event"]]
    if kind is Transfer:
        return Transfer(document["id"], document["info_hash"], from_json(Uploads, document))
    found: Event = from_json(kind, document)
    return found


def seeder_report_of(document: object) -> SeederReport | None:
    """Return the report in a `seeder.json` of any version, or None until peers can connect.

    Until then, it has no `reach`. Missing fields get their defaults.
    """
    if not isinstance(document, dict) or not isinstance(document.get("pid"), int):
        return None
    try:
        return from_json(SeederReport, document) if "reach" in document else None
    except (AttributeError, TypeError, ValueError):
        return None
