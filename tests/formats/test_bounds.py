"""What strangers send is taken up to its bound, and not one over it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from helpers.odd_replica_entries import MAGNET, NOW, part, said
from memocast.errors import MemocastError
from memocast.formats import json_pieces, magnet, untrusted
from memocast.formats.addresses import page_address
from memocast.formats.age import recipients
from memocast.formats.feed import MAX_ID, MAX_LINK, MAX_MILLISECONDS, MAX_SIZE, FeedItem, parse_page
from memocast.formats.link import MAX_TEXT, MAX_TORRENT_FILE, parse
from memocast.formats.memo import checked_description, checked_title
from memocast.formats.replica_entries import entries_in
from memocast.formats.trackers import is_tracker
from memocast.podcasts.http_get import MAX_URL, checked_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def is_taken(act: Callable[[], object]) -> bool:
    try:
        act()
    except (MemocastError, ValueError):
        return False
    return True


def address(length: int) -> str:
    return "https://example.org/".ljust(length, "x")


def object_of(members: int) -> bytes:
    return json.dumps({str(number): 0 for number in range(members)}).encode()


REFUSED: dict[str, tuple[Callable[[int], object], int]] = {
    "a link": (lambda size: parse(MAGNET.ljust(size, "&")), MAX_TEXT),
    "a title": (lambda size: checked_title("x" * size), 300),
    "a title of two-byte letters": (lambda size: checked_title("é" * (size // 2)), 301),
    "a description": (lambda size: checked_description("x" * size), 8_000),
    "a page's address": (lambda size: page_address(address(size)), 300),
    "a feed's address": (lambda size: checked_url(address(size)), MAX_URL),
    "an object's members": (lambda size: list(json_pieces.members(object_of(size))), 1_000),
}


@pytest.mark.parametrize(("read", "bound"), REFUSED.values(), ids=REFUSED)
def test_what_is_over_its_bound_is_refused(read: Callable[[int], object], bound: int) -> None:
    assert is_taken(lambda: read(bound))
    assert not is_taken(lambda: read(bound + 1))


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_torrent_file_and_a_key_file_have_a_largest_size(
    tmp_path: Path, more: int, *, taken: bool
) -> None:
    torrent = tmp_path / "memo.torrent"
    torrent.write_bytes(b"d" + b"e" * (MAX_TORRENT_FILE - 1 + more))
    assert is_taken(lambda: parse(str(torrent))) == taken
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    keys = tmp_path / "keys"
    keys.write_text(f"{key}\n#".ljust((1 << 16) + more, "x"))
    assert is_taken(lambda: recipients([str(keys)])) == taken


@pytest.mark.parametrize(("more", "reasons"), [(0, {}), (1, {"too long": 1})])
def test_an_entry_of_a_paired_device_has_a_largest_size(more: int, reasons: dict[str, int]) -> None:
    entry = json.dumps(said())
    spaces = " " * ((1 << 17) - len(entry) + more)
    found, why = entries_in(part(f"{{{spaces}{entry[1:]}"), "a", NOW)
    assert dict(why) == reasons
    assert len(found) == (2 if reasons else 3)


@pytest.mark.parametrize(("length", "is_one"), [(300, True), (301, False)])
def test_a_trackers_address_has_a_greatest_length(length: int, *, is_one: bool) -> None:
    assert is_tracker(address(length)) == is_one


def test_what_a_magnet_link_has_too_much_of_is_left_out() -> None:
    trackers = "".join(f"&tr=udp://t{number}.example:80" for number in range(31))
    assert len(magnet.parse(MAGNET + trackers).trackers) == 30
    peers = "".join(f"&x.pe=10.0.0.{number}:80" for number in range(1, 102))
    assert len(magnet.parse(MAGNET + peers).peers) == 100
    assert len(magnet.parse(f"{MAGNET}&dn={'x' * 501}").name) == 500
    assert magnet.parse(f"{MAGNET}&x.age={'A' * 200}").age_identity == "A" * 200
    assert magnet.parse(f"{MAGNET}&x.age={'A' * 201}").age_identity == "?"


@pytest.mark.parametrize("digits", [29, 30, 31, 5_000])
def test_a_number_of_many_digits_becomes_some_large_one(digits: int) -> None:
    assert len(str(json_pieces.loads(b"9" * digits))) == min(digits, 30)


def item_of(**said: Any) -> FeedItem | None:
    """The item of a feed that says this, above what every item says."""
    attachment = {
        name: said.pop(name)
        for name in ("url", "mime_type", "size_in_bytes", "duration_in_seconds")
        if name in said
    }
    whole = {"id": "1", "attachments": [{"url": MAGNET, **attachment}], **said}
    document = {"version": "https://jsonfeed.org/version/1.1", "title": "x", "items": [whole]}
    items = parse_page(json.dumps(document).encode()).items
    return items[0] if items else None


def test_an_item_whose_link_or_id_is_too_long_is_left_out() -> None:
    for length, is_one in ((MAX_ID, True), (MAX_ID + 1, False), (0, False)):
        assert bool(item_of(id="x" * length)) == is_one
    for length, is_one in ((MAX_LINK, True), (MAX_LINK + 1, False)):
        assert bool(item_of(url=MAGNET.ljust(length, "&"))) == is_one


def test_numbers_of_an_item_out_of_range_are_taken_for_none() -> None:
    for size, taken in ((MAX_SIZE, MAX_SIZE), (MAX_SIZE + 1, 0), (-1, 0), (True, 0), ("9", 0)):
        found = item_of(size_in_bytes=size)
        assert found
        assert found.size == taken
    longest = MAX_MILLISECONDS // 1000
    for seconds, taken in ((longest, MAX_MILLISECONDS), (longest + 0.001, 0), (-0.001, 0)):
        found = item_of(duration_in_seconds=seconds)
        assert found
        assert found.duration == taken


def test_texts_of_an_item_are_cut_at_a_whole_letter() -> None:
    found = item_of(title="é" * 200, content_text="x" * 7_999 + "é", mime_type="x" * 101)
    assert found
    assert found.title == "é" * 150
    assert found.text == "x" * 7_999
    assert found.mime == "x" * 100


def test_numbers_in_range_are_whole_and_no_booleans() -> None:
    assert untrusted.integer(0, 0, 5) == 0
    assert untrusted.integer(5, 0, 5) == 5
    for value in (-1, 6, 2.0, True, "2", None):
        assert untrusted.integer(value, 0, 5) is None
    assert untrusted.whole_text("é" * 5, 10) == "é" * 5
    for text in ("é" * 5 + "x", "a\0", "\ud800", 5):
        assert untrusted.whole_text(text, 10) is None
    assert untrusted.moment(-1).year == 1970
    assert untrusted.moment(untrusted.LAST_SECOND + 1).year == 9999
