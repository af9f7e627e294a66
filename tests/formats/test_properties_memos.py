"""Any title, description, file name, id and info dictionary: bounds, and nothing lost within."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import libtorrent as lt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.link_seeds import MEMO
from fuzz.links import check_description
from helpers.full_or_short import scaled
from helpers.hypothesis_strategies import ANY_TEXT, TITLES
from helpers.kept_memo import keep
from memocast.cli.terminal.console import safe
from memocast.errors import NoSuchMemo, UsageError
from memocast.formats.memo import checked_description, checked_title, now, title_from_file
from memocast.formats.memo_info import KEY, Description, parse_info
from memocast.formats.torrent import make, with_trackers
from memocast.library.library import Library
from memocast.text import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memocast.formats.memo import Memo

# -- info dictionaries ---------------------------------------------------------

FIELDS = [field.name for field in fields(Description)]

bencodable = st.recursive(
    st.integers(-(2**63), 2**63 - 1) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(), inner, max_size=4),
    max_leaves=10,
)
SIZES = [0, 1, 199, 200, 201, 300, 301, 8_000, 8_001]
tomorrow = int(now().timestamp()) + 24 * 3600
likely = st.one_of(
    st.sampled_from([-1, 0, 1, tomorrow - 60, tomorrow + 600, 10**11, 10**11 + 1, 2**62]),
    st.sampled_from(SIZES).map(b"x".__mul__),
    st.text().map(str.encode),
    bencodable,
)
claims = st.fixed_dictionaries({}, optional={name.encode(): likely for name in [*FIELDS, "v"]})
often = settings(max_examples=scaled(300, 60))


@often
@given(claims | bencodable)
def test_any_value_under_our_key_gives_fields_within_their_bounds(value: Any) -> None:
    info: Any = lt.bdecode(lt.bencode({KEY: value}))
    check_description(parse_info(info))
    check_description(parse_info(value))


@often
@given(claims)
def test_a_field_is_taken_or_dropped_whatever_stands_beside_it(claim: dict[bytes, Any]) -> None:
    together = parse_info({KEY: claim})
    for name in FIELDS:
        value = claim.get(name.encode())
        alone = parse_info({KEY: {name.encode(): value}} if value is not None else {})
        assert getattr(together, name) == getattr(alone, name)
        if isinstance(getattr(alone, name), bytes | int):
            assert getattr(alone, name) == value


titles = st.text(max_size=75).map(str.strip).filter(bool)
memos = st.builds(
    lambda **changes: replace(MEMO, **changes),
    title=titles | st.just("x" * 300),
    description=st.text(max_size=300) | st.sampled_from(["ü" * 4_000, " \n two\r\nlines\t\n "]),
    created=st.integers(1, int(now().timestamp())).map(lambda t: datetime.fromtimestamp(t, UTC)),
    duration=st.integers(0, 24 * 3600 * 1000),
    peaks=st.binary(min_size=1, max_size=200),
    format=st.sampled_from(["opus", "flac", "wav", "m4a", "mp3", "ogg", "webm"]),
)


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "audio.opus"
    path.write_bytes(bytes(MEMO.size))
    return path


@given(memo=memos)
def test_what_a_torrent_says_of_a_memo_is_read_back(memo: Memo, audio: Path) -> None:
    torrent = make(memo, audio)
    for content in (torrent.content, with_trackers(torrent, ["udp://a.example:1"])):
        document: Any = lt.bdecode(content)
        info = document[b"info"]
        assert parse_info(info) == Description(
            memo.title, memo.description, memo.created, memo.duration, memo.peaks
        )
        assert info[b"name"].decode() == torrent.dn == file_name(memo.title, memo.format)
        read = lt.load_torrent_buffer(content)
        assert str(read.info_hashes.v1) == torrent.info_hash
        assert read.ti.layout().file_size(0) == memo.size


# -- titles, descriptions, names -----------------------------------------------


@often
@given(TITLES)
def test_a_title_is_taken_without_its_margins_or_refused(text: str) -> None:
    fits = bool(text.strip()) and is_utf_8(text) and len(text.strip().encode()) <= 300
    try:
        title = checked_title(text)
    except UsageError as error:
        assert not fits
        assert error.hint
    else:
        assert fits
        assert title == text.strip() == checked_title(title)


@given(TITLES | st.integers(7_990, 8_010).map("x".__mul__))
def test_a_description_is_taken_as_it_is_or_refused(text: str) -> None:
    fits = is_utf_8(text) and len(text.encode()) <= 8_000
    try:
        assert checked_description(text) == text
    except UsageError as error:
        assert not fits
        assert error.hint
    else:
        assert fits


@often
@given(TITLES)
def test_a_files_name_gives_a_title_that_can_be_shared(name: str) -> None:
    title = title_from_file(name)
    assert checked_title(title) == title


# Python 3.13's ntpath.isreserved; the stem is what stands before the first dot.
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "123456789¹²³"
}


@often
@given(TITLES, st.sampled_from(["opus", "wav", "webm"]))
def test_a_file_name_is_one_that_every_system_takes_as_it_is(title: str, extension: str) -> None:
    name = file_name(title, extension)
    assert len(name.encode()) <= 120
    assert name.endswith(f".{extension}")
    assert not any(acts(char) for char in name)
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert not set(name) & set('/\\:*?"<>|')
    assert name.partition(".")[0].rstrip(" ").upper() not in RESERVED
    assert unicodedata.normalize("NFC", name) == name
    stem = name.removesuffix(f".{extension}")
    assert stem.strip(". ") == stem
    assert file_name(stem, extension) == name


@often
@given(TITLES, st.booleans())
def test_safe_text_does_nothing_to_a_terminal(text: str, lines: bool) -> None:
    shown = safe(text, lines=lines)
    assert is_utf_8(shown)
    assert not any(acts(char) for char in shown if not (lines and char == "\n"))
    assert shown.count("\n") == (text.count("\n") if lines else 0)
    assert len(shown) == len(text)
    assert safe(shown, lines=lines) == shown
    assert all(a == b for a, b in zip(text, shown, strict=True) if not acts(a))


def acts(char: str) -> bool:
    """Whether a terminal does something on this character; ZWNJ and ZWJ only join letters."""
    return unicodedata.category(char) in "Cc Cf Cs Zl Zp" and char not in "\u200c\u200d"


def is_utf_8(text: str) -> bool:
    return not any(unicodedata.category(char) == "Cs" for char in text)


# -- ids -----------------------------------------------------------------------

# Few beginnings, so that many ids share one.
ids = st.builds(
    str.__add__,
    st.sampled_from(["", "0", "0a", "0a0a0a0", "zz"]),
    st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=8),
).map(lambda text: text[:8])


eight = st.text(st.characters(categories=["Cs", "Nd", "Ll"]), min_size=8, max_size=8)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library for all examples, one after the other."""
    found = Library(tmp_path_factory.mktemp("shelf"))
    yield found
    found.close()


@settings(max_examples=scaled(25, 10))
@given(
    known=st.sets(ids, min_size=1, max_size=8), others=st.lists(ids | ANY_TEXT | eight, max_size=8)
)
def test_a_prefix_finds_its_memo_or_tells_how_many_it_fits(
    shelf: Library, audio: Path, known: set[str], others: list[str]
) -> None:
    for memo in shelf.memos():  # of the example before
        shelf.remove(memo)
    for memo_id in known:
        keep(shelf, audio, id=memo_id)
    prefixes = {memo[:length] for memo in known for length in range(1, 9)}
    for reference in prefixes | {prefix.upper() for prefix in prefixes} | set(others):
        fitting = {memo for memo in known if reference and memo.startswith(reference.lower())}
        if len(fitting) == 1:
            assert {shelf.get(reference).id} == fitting
            continue
        said = f"matches {len(fitting)} memos" if fitting else "there is no memo"
        with pytest.raises(NoSuchMemo, match=re.escape(said)) as caught:
            shelf.get(reference)
        assert caught.value.hint
    assert shelf.get("latest").id in known
