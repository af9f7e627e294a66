"""What a sync reports while it runs, and the JSON in which its workers send it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from memocast.errors import MemocastError
from memocast.fetching.progress import Preview, Stage


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
    match event:
        case Moved(source=source, stage=stage):
            if isinstance(stage, Preview):
                stage = replace(stage, peaks=stage.peaks.hex())  # type: ignore[arg-type]
            return {"moved": source, "stage": type(stage).__name__, "values": asdict(stage)}
        case Arrived(source=source, memo=memo):
            return {"arrived": source, "memo": memo}
        case Ended(source=source, news=news):
            if news is None:
                return {"ended": source, "news": None}
            problems = [[one.exit_code, one.message, one.hint] for one in news.problems]
            document = asdict(replace(news, problems=[]))
            return {"ended": source, "news": document, "problems": problems}


def event_of(document: dict[str, Any]) -> Event:
    """Return the event in a line from a worker of this version."""
    if "moved" in document:
        stage = _STAGES[document["stage"]](**document["values"])
        if isinstance(stage, Preview):
            stage = replace(stage, peaks=bytes.fromhex(document["values"]["peaks"]))
        return Moved(document["moved"], stage)
    if "arrived" in document:
        return Arrived(document["arrived"], document["memo"])
    if document["news"] is None:
        return Ended(document["ended"], None)
    news = News(**document["news"])
    news.problems = [_error(*problem) for problem in document["problems"]]
    return Ended(document["ended"], news)


def _error(exit_code: int, message: str, hint: str) -> MemocastError:
    kinds: list[type[MemocastError]] = [MemocastError, *MemocastError.__subclasses__()]
    kind = next(kind for kind in kinds if kind.exit_code == exit_code)
    return kind(message, hint=hint)
