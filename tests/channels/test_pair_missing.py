"""Which memos of other devices are asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memocast.channels.pair_missing import MissingMemos
from memocast.errors import MemocastError, NotALink, Refused, SwarmTimeout
from memocast.formats.replica import EditStamp, ReplicaEntry

if TYPE_CHECKING:
    from memocast.library.library import Library


@pytest.mark.parametrize(
    ("error", "is_asked_for_again"),
    [
        (SwarmTimeout("nobody", hint=""), True),
        (MemocastError("was stopped", hint=""), True),
        (Refused("no audio", hint=""), False),
        (NotALink("no link", hint=""), False),
    ],
)
def test_a_device_asks_again_for_what_an_accident_kept_from_it(
    library: Library, error: MemocastError, is_asked_for_again: bool
) -> None:
    entry = ReplicaEntry(
        "aaaaaaaa", "One", EditStamp(1), "", EditStamp(1), link="magnet:?xt=urn:btih:" + "ab" * 20
    )
    MissingMemos(library.replicas, {entry.key: entry}).note(entry, error)
    asked_for = MissingMemos(library.replicas, {entry.key: entry}).in_turn()
    assert asked_for == ([entry] if is_asked_for_again else [])
