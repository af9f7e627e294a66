"""What a sync's workers tell it arrives as it was."""

from __future__ import annotations

import json

import pytest

from memocast.bittorrent.download import Progress
from memocast.channels.sync_events import Arrived, Ended, Event, Moved, News, event_of, to_json
from memocast.errors import LibraryError, MemocastError, SwarmTimeout
from memocast.fetching.progress import Loading, Looking, Preview, Reading, Waiting


@pytest.mark.parametrize(
    "event",
    [
        Moved(1, Waiting()),
        Moved(2, Looking({"udp://tracker": "no peers"}, dht=True)),
        Moved(3, Preview("Grüße", 7, None, b"\x00\xff")),
        Moved(4, Progress(1, 2, 3, 4, 5, 6, whole=False)),
        Moved(5, Loading(1, 0)),
        Moved(5, Reading(1, 2)),
        Arrived(6, "abcdefgh"),
        Ended(7, None),
        Ended(8, News(["abcdefgh"], removed=1, changed=2, held=3)),
    ],
)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    assert event_of(json.loads(json.dumps(to_json(event)))) == event


@pytest.mark.parametrize("kind", [MemocastError, SwarmTimeout, LibraryError])
def test_a_problem_keeps_its_kind_its_message_and_its_hint(kind: type[MemocastError]) -> None:
    problem = kind("it failed", hint="try again")
    ended = event_of(json.loads(json.dumps(to_json(Ended(1, News(problems=[problem]))))))
    assert isinstance(ended, Ended)
    assert ended.news
    (found,) = ended.news.problems
    assert (type(found), found.message, found.hint) == (kind, "it failed", "try again")
