"""What paired devices agree on: the same, in whatever order they met."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from helpers.full_or_short import scaled
from helpers.kept_memo import keep
from memocast.channels.pair import Pairing
from memocast.channels.sync_events import News
from memocast.formats.channel import ChannelLink
from memocast.formats.replica import (
    DAY,
    MAX_COUNT,
    EditStamp,
    ReplicaEntry,
    bucket,
    insist,
    merge,
    to_bytes,
)
from memocast.formats.replica_entries import entries_in
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Iterable

DEVICES = 3
AUDIO = b"OggS, or so"
KEYS = ("kkkkkkkk", "kkkkkkk2")
NOW = 1_800_000_000_000
YEAR = 365 * DAY
LINK = "magnet:?xt=urn:btih:" + "ab" * 20


def told(entries: Iterable[ReplicaEntry], now: int = NOW) -> list[ReplicaEntry]:
    """The entries, as another device hears of them at `now`."""
    parts: dict[str, list[ReplicaEntry]] = {}
    for entry in entries:
        parts.setdefault(bucket(entry.key), []).append(entry)
    found = [entries_in(to_bytes(part), name, now) for name, part in parts.items()]
    assert not any(reasons for _, reasons in found)
    return [entry for taken, _ in found for entry in taken.values()]


stamps = st.builds(EditStamp, st.integers(0, 3), st.integers(0, 2), st.sampled_from("abc"))
entries = st.builds(
    ReplicaEntry,
    key=st.sampled_from(KEYS),
    title=st.sampled_from(["one", "two"]),
    title_at=stamps,
    description=st.sampled_from(["", "more"]),
    description_at=stamps,
    removed_at=stamps,
    link=st.sampled_from(["", LINK]),
)


@given(entries, entries, entries)
def test_merging_takes_no_notice_of_order_and_repetition(
    one: ReplicaEntry, two: ReplicaEntry, three: ReplicaEntry
) -> None:
    one, two, three = (replace(entry, key="k") for entry in (one, two, three))
    assert merge(one, two) == merge(two, one)
    assert merge(merge(one, two), three) == merge(one, merge(two, three))
    assert merge(one, one) == one
    assert merge(merge(one, two), two) == merge(one, two)


@given(st.lists(entries))
def test_a_state_survives_its_journey(found: list[ReplicaEntry]) -> None:
    state: dict[str, ReplicaEntry] = {}
    for entry in found:
        state[entry.key] = merge(state.get(entry.key, entry), entry)
    assert {entry.key: entry for entry in told(state.values())} == state


def test_the_later_change_of_each_field_is_taken_by_itself() -> None:
    first = ReplicaEntry("k", "old", EditStamp(5), "old", EditStamp(5))
    renamed = replace(first, title="new", title_at=EditStamp(7))
    described = replace(first, description="new", description_at=EditStamp(6))
    both = merge(renamed, described)
    assert (both.title, both.description) == ("new", "new")


def test_a_removal_beats_what_was_changed_before_it_and_not_what_was_changed_after() -> None:
    first = ReplicaEntry("k", "old", EditStamp(5), "", EditStamp(5))
    removed = replace(first, removed_at=EditStamp(7))
    assert not merge(removed, replace(first, title="new", title_at=EditStamp(6))).is_alive
    assert merge(removed, replace(first, title="new", title_at=EditStamp(8))).is_alive


def test_who_knows_of_a_change_comes_after_it_however_slow_the_clock() -> None:
    ahead = EditStamp(1_000, 3, "a")
    assert ahead.next(10, "b") > ahead
    assert ahead.next(2_000, "b") == EditStamp(2_000, 0, "b")


clocks = st.one_of(
    st.integers(0, NOW + 99 * YEAR),
    st.integers(2**42, 2**70),
    st.sampled_from([NOW, NOW + DAY, NOW + 36_525 * DAY, 2**50, 2**50 + 1, 2**63]),
)
turns = st.one_of(st.integers(0, 2**70), st.sampled_from([2**50 - 1, 2**50, 2**50 + 1]))


@given(st.builds(EditStamp, clocks, turns, st.sampled_from(["evil", "~" * 32])))
def test_who_knows_of_a_change_comes_after_it_whatever_that_said(said: EditStamp) -> None:
    believed = said.clamped(NOW)
    assert believed.clamped(NOW + 1) == believed, "all agree on it"
    mine = believed.next(NOW + 1, "0123456789abcdef")
    assert mine.clamped(NOW + 2) == mine
    assert mine > said.clamped(NOW + 2), "also where the other is heard of later"
    assert mine.ms <= MAX_COUNT, "an older release would refuse it, and all that comes with it"
    assert mine.turn <= MAX_COUNT


def test_a_change_from_the_future_is_no_later_than_one_that_was_made_here_meanwhile() -> None:
    first = ReplicaEntry("kkkkkkkk", "old", EditStamp(5), "", EditStamp(5))
    ahead = EditStamp(NOW + 9 * YEAR, 0, "evil")
    mine = replace(first, title="mine", title_at=EditStamp(NOW - 10))
    theirs = replace(first, title="theirs", title_at=ahead, removed_at=ahead)
    found = insist(mine, merge(mine, theirs), "title", NOW, "b")
    assert found.title == "mine"
    assert found.is_alive
    assert merge(found, theirs) == found, "nor when it comes again"
    removed = replace(first, removed_at=EditStamp(NOW - 10))
    renamed = replace(first, title="theirs", title_at=ahead)
    assert not insist(removed, merge(removed, renamed), "removed", NOW, "b").is_alive
    # What is from the past keeps its order.
    later = replace(first, title="later", title_at=EditStamp(NOW - 5))
    assert insist(mine, merge(mine, later), "title", NOW, "b").title == "later"


def now() -> int:
    return time.time_ns() // 1_000_000


class Devices(RuleBasedStateMachine):
    """Three libraries; whoever meets takes in what the other knows, as a sync does."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.libraries = [Library(self.folder / str(number)) for number in range(DEVICES)]
        for library in self.libraries:
            library.channels.add(ChannelLink(bytes(32), b"", age_identity="x"), b"x", kind="pair")
        self.audio = self.folder / "audio.opus"
        self.audio.write_bytes(AUDIO)
        self.pairings = [
            Pairing(library, None, None, 0)  # type: ignore[arg-type]
            for library in self.libraries
        ]
        self.last: dict[str, dict[str, str] | None] = {}

    def teardown(self) -> None:
        for library in self.libraries:
            library.close()
        shutil.rmtree(self.folder)

    def _later(self) -> None:
        """Let the clock, of one millisecond, go on."""
        moment = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 < moment + 2:
            pass

    def _memo(self, device: int, number: int) -> str | None:
        known = sorted(memo.id for memo in self.libraries[device].memos())
        return known[number % len(known)] if known else None

    @rule(device=st.integers(0, DEVICES - 1))
    def add(self, device: int) -> None:
        self._later()
        id_ = keep(self.libraries[device], self.audio, "new", id=f"{len(self.last):08}")
        self.last[id_] = {"title": "new", "description": ""}

    @rule(
        device=st.integers(0, DEVICES - 1),
        number=st.integers(0, 5),
        field=st.sampled_from(["title", "description"]),
        text=st.sampled_from(["red", "green", "blue"]),
    )
    def edit(self, device: int, number: int, field: str, text: str) -> None:
        id_ = self._memo(device, number)
        if id_ is None:
            return
        self._later()
        library = self.libraries[device]
        memo = library.get(id_)
        before = getattr(memo, field)
        library.edit(
            memo,
            text if field == "title" else None,
            text if field == "description" else None,
        )
        if before == text:
            return  # nothing was changed
        said = self.last[id_]
        # One that was removed elsewhere, before it was changed here, is there again, with what
        # was last said of it wherever.
        self.last[id_] = {**(said or self.gone[id_]), field: text}

    @initialize()
    def begin(self) -> None:
        self.gone: dict[str, dict[str, str]] = {}

    @rule(device=st.integers(0, DEVICES - 1), number=st.integers(0, 5))
    def remove(self, device: int, number: int) -> None:
        id_ = self._memo(device, number)
        if id_ is None:
            return
        self._later()
        # As the seeder does every few minutes: what was changed since goes with the memo.
        self.libraries[device].replicas.collect()
        self.libraries[device].remove(self.libraries[device].get(id_))
        said = self.last[id_]
        if said is not None:
            self.gone[id_] = said
        self.last[id_] = None

    @rule(device=st.integers(0, DEVICES - 1), number=st.integers(0, 5))
    def lie(self, device: int, number: int) -> None:
        """Somebody tells the device of a change, and has used up the turns of that moment."""
        id_ = self._memo(device, number)
        if id_ is None:
            return
        self._later()
        replicas = self.libraries[device].replicas
        replicas.collect()
        entry = replicas.state()[id_]
        at = EditStamp(now(), 2**60, "evil")
        replicas.merge(told([replace(entry, title="lie", title_at=at)], now()))
        self._apply(device)
        self.last[id_] = {**(self.last[id_] or self.gone[id_]), "title": "lie"}

    @rule(one=st.integers(0, DEVICES - 1), other=st.integers(0, DEVICES - 1))
    def meet(self, one: int, other: int) -> None:
        """The one hears what the other knows."""
        here, there = self.libraries[one], self.libraries[other]
        there.replicas.collect()
        here.replicas.collect()
        here.replicas.merge(told(there.replicas.state().values(), now()))
        self._apply(one)

    def _apply(self, device: int) -> None:
        library = self.libraries[device]
        state = library.replicas.state()
        self.pairings[device]._apply(state, News())
        here = library.replicas.memos()
        for key, entry in state.items():
            if entry.is_alive and key not in here:  # what fetching its audio does
                keep(library, self.audio, id=key)
                library.edit(library.get(key), entry.title, entry.description)
                library.replicas.settle(key, key)

    @invariant()
    def no_memo_is_known_that_is_not_there(self) -> None:
        for library in self.libraries:
            ids = {memo.id for memo in library.memos()}
            assert set(library.replicas.memos().values()) <= ids

    def everybody_meets(self) -> None:
        for _ in range(2):
            for one in range(DEVICES):
                for other in range(DEVICES):
                    self.meet(one, other)

    @precondition(lambda self: self.last)
    @rule()
    def all_agree_once_all_have_met(self) -> None:
        self.everybody_meets()
        states = [library.replicas.state() for library in self.libraries]
        assert states[0] == states[1] == states[2]
        for library in self.libraries:
            found = {
                memo.id: {"title": memo.title, "description": memo.description}
                for memo in library.memos()
            }
            assert found == {id_: said for id_, said in self.last.items() if said is not None}


Devices.TestCase.settings = settings(
    max_examples=scaled(60, 6),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestDevices = Devices.TestCase
