"""What a sync reports while it runs, and the JSON in which its workers send it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, get_args

from memocast.errors import MemocastError
from memocast.fetching.progress import Stage
from memocast.processes import dataclass_json
from memocast.processes.dataclass_json import from_json


@dataclass(slots=True)
class News:
    """The result of a sync: new memos by id, and problems.

    `removed` and `changed` count memos. `held` counts new memos for which the disk has no room.
    """

    memos: list[str] = field(default_factory=list)
    removed: int = 0
    changed: int = 0
    held: int = 0
    problems: list[MemocastError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moved:
    """The fetch of a memo from the channel with the number `source` has reached a stage."""

    source: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class Arrived:
    """A memo, by its id, has arrived from the source."""

    source: int
    memo: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The source is synced. `news` is None if another process is syncing it."""

    source: int
    news: News | None


Event = Moved | Arrived | Ended

_STAGES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Stage)}


def to_json(event: Event) -> dict[str, Any]:
    """Return the JSON of the event's line."""
    document: dict[str, Any] = dataclass_json.to_json(event)
    if isinstance(event, Moved):
        document["stage"]["kind"] = type(event.stage).__name__
    elif isinstance(event, Ended) and event.news:
        document["news"]["problems"] = [
            [one.exit_code, one.message, one.hint] for one in event.news.problems
        ]
    return {"event": type(event).__name__, **document}


def event_of(document: dict[str, Any]) -> Event:
    """Return the event in a line from a worker of this version."""
    match document["event"]:
        case "Moved":
            stage = document["stage"]
            return Moved(document["source"], from_json(_STAGES[stage["kind"]], stage))
        case "Arrived":
            return from_json(Arrived, document)
    ended = from_json(Ended, document)
    if ended.news:
        ended.news.problems = [_error(*problem) for problem in document["news"]["problems"]]
    return ended


def _error(exit_code: int, message: str, hint: str) -> MemocastError:
    kinds: list[type[MemocastError]] = [MemocastError, *MemocastError.__subclasses__()]
    kind = next(kind for kind in kinds if kind.exit_code == exit_code)
    return kind(message, hint=hint)
