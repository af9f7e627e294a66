"""What a paired device says, checked field by field: what is bad is left out alone."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.full_or_short import scaled
from helpers.kept_memo import keep
from helpers.odd_replica_entries import BAD, GOOD, LAST, MAGNET, NOW, ODD, part, said
from memocast.channels.pair_disputes import Disputes
from memocast.errors import Refused
from memocast.formats import json_pieces
from memocast.formats.channel import ChannelLink
from memocast.formats.feed import VERSION, parse_page
from memocast.formats.replica import MAX_BUCKET_BYTES, MAX_COUNT, EditStamp, ReplicaEntry, to_bytes
from memocast.formats.replica_entries import Reasons, entries_in, mend, root_in
from memocast.library.library import Library

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_entry_is_left_out_alone(bad: Any) -> None:
    found, reasons = entries_in(part(bad), "a", NOW)
    assert found == {GOOD.key: GOOD, LAST.key: LAST}
    assert reasons.total() == 1
    assert all(reason.isascii() and reason.isprintable() for reason in reasons)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_an_honest_device_can_say_is_taken(odd: dict[str, Any]) -> None:
    found, reasons = entries_in(part(odd), "a", NOW)
    assert not reasons
    assert len(found) == 3
    assert found[odd["key"]].title == odd["title"].strip()
    assert found[odd["key"]].description == odd["description"]
    assert found[odd["key"]].link == odd["link"]


def test_a_link_with_more_trackers_than_there_is_room_for_keeps_the_first() -> None:
    link = MAGNET + "".join(f"&tr=http%3A%2F%2Ft{n}.example%2Fannounce" for n in range(300))
    found, reasons = entries_in(part(said(link=link)), "a", NOW)
    assert not reasons
    assert link.startswith(found["abababab"].link + "&")
    assert 7_900 < len(found["abababab"].link) <= 8_000


LONG = "1" + "0" * 4_400
"""Python writes and reads fewer digits."""


@pytest.mark.parametrize("ms", [str(2**50), str(2**50 + 1), str(2**63), LONG], ids=len)
@pytest.mark.parametrize("turn", ["0", str(2**50), str(2**63), LONG], ids=len)
def test_a_clock_from_the_future_is_clamped_and_what_it_says_is_taken(ms: str, turn: str) -> None:
    text = json.dumps(said(title="Later")).replace("[5, 0", f"[{ms}, {turn}", 1)
    found, reasons = entries_in(part(text), "a", NOW)
    assert not reasons
    entry = found["abababab"]
    assert entry.title == "Later"
    assert entry.title_at > entry.description_at
    assert entry.title_at.ms < NOW + 80 * 365 * 24 * 3600 * 1000
    following = entry.title_at.next(NOW, "c")
    assert following > entry.title_at
    assert max(following[:2]) <= MAX_COUNT


def test_a_key_that_comes_twice_is_merged() -> None:
    later = replace(GOOD, title="Later", title_at=EditStamp(9, 0, "b"))
    for two in ([GOOD, later], [later, GOOD]):
        content = json.dumps({"memos": [asdict(entry) for entry in two]}).encode()
        assert entries_in(content, "a", NOW) == ({GOOD.key: later}, Reasons())


NO_PARTS = [
    b"",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b'{"memos": 7}',
    b'{"memos": [',
    b'{"memos": [{}',
    b'{"x": {"memos": []}}',
    b'{"memos": ' + b"[" * 100_000,
    b'{"memos": ["' + b'\\"' * 2_000_000,
    b'"' * 4_000_001,
]


@pytest.mark.parametrize("content", NO_PARTS, ids=range(len(NO_PARTS)))
def test_what_is_no_part_is_refused_at_once(content: bytes) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        entries_in(content, "a", NOW)


def test_a_part_of_empty_lists_takes_little_memory_and_is_not_read_for_ever() -> None:
    nested = b"[" + b"[]," * 100_001 + b"[]]"
    tracemalloc.start()
    try:
        found, reasons = entries_in(b'{"memos": [' + nested + b"]}", "a", NOW)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(nested) + (1 << 20)
    finally:
        tracemalloc.stop()
    assert (found, reasons.total()) == ({}, 1)
    found, reasons = entries_in(b'{"memos": ' + nested + b"}", "a", NOW)
    assert (found, reasons.total()) == ({}, 100_001)


DIGEST, WHERE = "0123456789abcdef" * 4, "ab" * 20


@pytest.mark.parametrize(
    "bad",
    [
        f'"": ["{DIGEST}", "{WHERE}"]',
        f'"u": ["{DIGEST}", "{WHERE}"]',
        f'"aa": ["{DIGEST}", "{WHERE}"]',
        f'"../a": ["{DIGEST}", "{WHERE}"]',
        f'"\ud800": ["{DIGEST}", "{WHERE}"]'.encode("ascii", "backslashreplace").decode(),
        f'"b": ["{DIGEST}"]',
        f'"b": ["{DIGEST}", "{WHERE}", 1]',
        f'"b": ["{WHERE}", "{WHERE}"]',
        f'"b": ["{DIGEST}", "{DIGEST}"]',
        f'"b": [["{DIGEST}"], "{WHERE}"]',
        '"b": null',
        '"b": {"x": 1, "y": 2}',
        '"b": "xy"',
        '"b"',
        '"b": 1' + "0" * 5_000,
        '"b": ' + "[" * 9_000 + "]" * 9_000,
    ],
)
def test_a_bad_part_of_a_root_is_left_out_alone(bad: str) -> None:
    good = f'["{DIGEST}", "{WHERE}"]'
    document = f'{{"v": 1, "parts": {{"a": {good}, {bad}, "z": {good}}}}}'
    found, reasons = root_in(document.encode())
    assert found == {"a": (DIGEST, WHERE), "z": (DIGEST, WHERE)}
    assert reasons.total() == 1


def test_the_root_of_an_empty_library_is_one() -> None:
    assert root_in(b'{"v": 1, "parts": {}}') == ({}, Reasons())
    for none in (b"", b"{}", b'{"parts": 1}', b'{"parts": {', b"\xff"):
        with pytest.raises(Refused, match="cannot be read"):
            root_in(none)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from([MAGNET, "aaaaaaaa", "recorded", [1, 0, ""], 2**63, "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=scaled(200, 20))
@given(st.lists(st.dictionaries(st.sampled_from(list(said())), anything), max_size=4), anything)
def test_whatever_an_entry_says_it_is_taken_or_left_out(changes: list[Any], other: Any) -> None:
    bad = [said(**change) for change in changes]
    found, reasons = entries_in(part(*bad, json.dumps(other)), "a", NOW)
    assert found[LAST.key] == LAST
    assert set(found) <= {GOOD.key, LAST.key, *(str(entry["key"]) for entry in bad)}
    assert reasons.total() <= len(bad) + 1
    again = entries_in(to_bytes(found.values()), "a", NOW)
    assert again == (found, Reasons()), "what was taken is taken by everybody"
    for entry in found.values():
        assert mend(entry) == entry


@given(st.binary() | anything.map(lambda value: json.dumps(value).encode()), st.sampled_from("ab0"))
def test_whatever_bytes_come_they_are_read_or_refused(content: bytes, name: str) -> None:
    for read in (
        lambda: root_in(content),
        lambda: entries_in(content, name, NOW),
        lambda: entries_in(b'{"memos":[' + content + b"]}", name, NOW),
        lambda: root_in(b'{"parts":{' + content + b"}}"),
    ):
        try:
            read()
        except Refused as error:
            assert "cannot be read" in error.message


@given(st.lists(anything, max_size=5))
def test_pieces_are_what_a_parser_finds(values: list[Any]) -> None:
    content = json.dumps({"before": {"memos": 1}, "memos": values, "after": ['"', "]"]}).encode()
    parts = dict(json_pieces.members(content))
    assert list(parts) == ["before", "memos", "after"]
    assert json.loads(parts["after"]) == ['"', "]"]
    found = [json.loads(piece) for piece in json_pieces.elements(parts["memos"])]
    assert json.dumps(found) == json.dumps(values)


# -- in a library --------------------------------------------------------------------


def stored(library: Library) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(library.root / "library.db")) as database:
        return database.execute("SELECT key, title, link, memo FROM replica ORDER BY 1").fetchall()


@pytest.fixture
def library(tmp_path: Path) -> Any:
    with closing(Library(tmp_path / "library")) as made:
        made.channels.add(ChannelLink(bytes(32), b"", age_identity="x"), b"x", kind="pair")
        yield made


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    file = tmp_path / "audio.opus"
    file.write_bytes(b"OggS, or so")
    return file


def test_what_an_older_release_let_in_is_mended_and_breaks_nothing(
    library: Library, audio: Path
) -> None:
    memo = keep(library, audio, "\x1b[31mred", id="aaaaaaaa")
    row = (None, "x", '[1,0,"e"]', "", '[1,0,"e"]', '[0,0,""]', 1, 1, 1, "added", "")
    changes: list[dict[int, Any]] = [
        {},
        {0: memo, 1: "\x1b[31mred", 10: "hello"},
        {1: "\n"},
        {2: f'[{2**50},{2**50},"evil"]'},
        {2: "[1, 2, 3, 4]"},
        {2: "nonsense"},
        {9: "stolen"},
    ]
    keys = ["", "aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd", "eeeeeeee", "ffffffff"]
    with closing(sqlite3.connect(library.root / "library.db")) as database, database:
        for key, change in zip(keys, changes, strict=True):
            values = [change.get(place, value) for place, value in enumerate(row)]
            database.execute(f"INSERT INTO replica VALUES ({', '.join('?' * 12)})", (key, *values))
    library.replicas.collect()
    assert stored(library) == [
        ("aaaaaaaa", "[31mred", "", memo),
        ("bbbbbbbb", "untitled", "", None),
        ("cccccccc", "x", "", None),
    ]
    state = library.replicas.state()
    assert state["cccccccc"].title_at.ms < 2**43
    for name in "abc":
        found, reasons = entries_in(
            to_bytes([e for k, e in state.items() if k[0] == name]), name, NOW
        )
        assert len(found) == 1
        assert not reasons


def test_a_memo_whose_title_has_control_characters_reaches_the_other_devices(
    library: Library, audio: Path
) -> None:
    memo = keep(library, audio, "one\ttwo\x07", id="aaaaaaaa")
    library.replicas.collect()
    assert library.replicas.state()[memo].title == "one two"
    library.edit(library.get(memo), "three\nfour", "zero\0")
    library.replicas.collect()
    entry = library.replicas.state()[memo]
    assert (entry.title, entry.description) == ("three four", "zero")
    assert entries_in(to_bytes([entry]), "a", NOW) == ({memo: entry}, Reasons())


@pytest.mark.parametrize("title", [" new", "new ", "\u2003new"])
def test_a_title_that_the_library_keeps_otherwise_is_no_edit_made_here(
    library: Library, audio: Path, title: str
) -> None:
    memo = keep(library, audio, "old", id="aaaaaaaa")
    library.replicas.collect()
    told = said(key=memo, title=title, title_at=[2**41, 0, "other"], link="")
    entry = entries_in(part(told), "a", 2**41)[0][memo]
    library.replicas.merge([entry])
    library.edit(library.get(memo), entry.title, None)
    library.replicas.collect()
    assert library.replicas.state()[memo].title_at == EditStamp(2**41, 0, "other")
    assert library.get(memo).title == library.replicas.state()[memo].title == "new"


def test_a_memo_that_was_removed_and_is_wanted_again_stays(library: Library, audio: Path) -> None:
    keep(library, audio, id="aaaaaaaa")
    library.replicas.collect()
    library.remove(library.get("aaaaaaaa"))
    library.replicas.collect()
    entry = library.replicas.state()["aaaaaaaa"]
    assert not entry.is_alive
    # Elsewhere it was removed by somebody whose clock is wrong.
    ahead = replace(entry, removed_at=EditStamp(2**42, 2**50, "evil"))
    library.replicas.merge([ahead])
    keep(library, audio, "again", id="aaaaaaaa")
    library.replicas.collect()
    entry = library.replicas.state()["aaaaaaaa"]
    assert entry.is_alive
    assert entry.title == "again"


def test_others_fill_a_part_only_so_far_that_it_can_be_read(library: Library, audio: Path) -> None:
    text = "\x01" * 8_000  # each takes six bytes in JSON
    flood = [
        ReplicaEntry(f"a{n:07}", "flood", EditStamp(1), text, EditStamp(1))
        for n in range(MAX_BUCKET_BYTES // 48_000)
    ]
    room = library.replicas.room()
    refused = library.replicas.merge(flood, room=room)
    assert 0 < refused < len(flood) / 5
    assert library.replicas.merge(flood) == refused, "the same ones"
    keep(library, audio, "Mine", id="aaaaaaaa")
    library.replicas.collect()
    state = library.replicas.state()
    assert "aaaaaaaa" in state
    assert len(to_bytes(state.values())) < MAX_BUCKET_BYTES
    grown = replace(state["a0000000"], title="renamed", title_at=EditStamp(2))
    assert (
        library.replicas.merge([replace(grown, description="", description_at=EditStamp(2))]) == 0
    )


def test_an_item_of_a_feed_that_cannot_be_read_is_left_out_alone() -> None:
    def item(id_: str, **changes: Any) -> str:
        return json.dumps({"id": id_, "title": id_, "attachments": [{"url": MAGNET}], **changes})

    bad = [
        item("digits", x=7).replace('"x": 7', '"x": ' + "7" * 5_000),
        item("nested")[:-1] + ', "x": ' + "[" * 9_000 + "]" * 9_000 + "}",
        item("\ud800"),
        item("zero\0"),
        item("no JSON")[:-1] + "x}",
        item("not a number", x=7).replace('"x": 7', '"x": NaN'),
    ]
    items = ", ".join([item("first"), *bad, item("last")])
    page = parse_page(f'{{"version": "{VERSION}", "title": "t", "items": [{items}]}}'.encode())
    assert [found.id for found in page.items] == ["first", "digits", "last"]
    assert page.title == "t"


def test_what_an_older_release_believes_for_good_is_answered_twice(library: Library) -> None:
    theirs, ours, later = "1" * 64, "2" * 64, "3" * 64
    assert Disputes(library.replicas).begin(theirs)
    assert not Disputes(library.replicas).begin(theirs), "it is said once"
    for answer in (ours, later):
        for _ in range(2):  # as each sync does, in a process of its own
            assert not Disputes(library.replicas).is_settled(theirs, answer)
            Disputes(library.replicas).answer(theirs, answer)
        assert Disputes(library.replicas).is_settled(theirs, answer)
    assert not Disputes(library.replicas).is_settled(theirs, ours), "it has changed since"
    # What cannot be read at all, nobody believes.
    garbage = "4" * 40
    assert Disputes(library.replicas).begin(garbage)
    for _ in range(5):
        Disputes(library.replicas).answer(garbage, ours)
    assert not Disputes(library.replicas).is_settled(garbage, ours)
    library.replicas.remember("disputes", {f"{n:064}": ["", 0] for n in range(1_000)})
    assert Disputes(library.replicas).begin(theirs)
    assert len(library.replicas.recall("disputes")) == 500
    library.replicas.forget()
    assert Disputes(library.replicas).begin(theirs), "another pairing"
