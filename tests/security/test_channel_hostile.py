"""Channels whose owner means ill, or has made a mistake: refused, and the last good state stays."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import libtorrent as lt
import pytest

from helpers.bare_session import bare_session
from helpers.waiting import wait_for
from memocast import settings as settings_
from memocast.bittorrent import dht
from memocast.channels.feed_reader import FeedReader, _Walk
from memocast.channels.republish import Republisher
from memocast.errors import Refused
from memocast.formats import mutable_item, torrent
from memocast.formats.channel import SALT, ChannelLink
from memocast.formats.feed import MAX_ITEMS, VERSION, FeedItem, FeedPage, parse_page
from memocast.library.library import Library
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from helpers.memocast_user import Memocast

EVIL = "\x1b[31mred\x1b[0m \u202egnp"


class Mallory:
    """The owner of a channel that leads to whatever she wants."""

    def __init__(self, user: Memocast) -> None:
        self.user = user
        secret = mutable_item.new_secret()
        self.link = ChannelLink(mutable_item.public_key(secret), SALT, "Mallory", self._trackers)
        self._library = Library(user.library)
        self._channel = self._library.channels.add(self.link, secret)
        self._number = 0

    @property
    def _trackers(self) -> tuple[str, ...]:
        return (self.user.environment["MEMOCAST_TRACKERS"],)

    def lead_to(self, content: bytes) -> None:
        """Publish that as the newest page, and wait until it is seeded."""
        self._number += 1
        file = self.user.home / f"page-{self._number}"
        file.write_bytes(content)
        made = torrent.make_feed_page(file, "Mallory")
        page = StoredPage(made.info_hash, "", made.content, file)
        self._library.feed_pages.hold(self._channel, [page], ())
        self._library.channels.sign_next(self._channel, dht.pointer(made.info_hash))
        environment = self.user.environment
        found = settings_.load(
            self.user.home / "none.toml",
            {name: value for name, value in environment.items() if name.startswith("MEMOCAST_")},
        )
        item, holders = Republisher(self._library, found).refresh(self._channel)
        assert item
        assert holders

    def close(self) -> None:
        self._library.close()


def document(items: list[Any], **changes: Any) -> bytes:
    return json.dumps({"version": VERSION, "title": "Mallory", "items": items, **changes}).encode()


def item(id_: str, link: str, **changes: Any) -> dict[str, Any]:
    return {"id": id_, "title": id_, "attachments": [{"url": link}], **changes}


LINK = "magnet:?xt=urn:btih:" + "0" * 40
EPOCH = datetime.fromtimestamp(0, UTC)

REFUSED = {
    "no JSON": b"\x00" * 100,
    "another kind of JSON": b'{"items": []}',
    "a list": b"[]",
    "JSON without an end": b'{"version": "https://jsonfeed.org/version/1.1", "items": '
    + b"[" * 9_000,
    "more items than a page may have": document(
        [item(str(n), "magnet:?xt=urn:btih:" + "0" * 40) for n in range(MAX_ITEMS + 1)]
    ),
    "a page that is too large": document([], filler="x" * (1 << 20)),
    "items that are none": document({}),  # type: ignore[arg-type]
}


@pytest.mark.long
def test_a_feed_that_is_none_is_refused_and_the_last_good_state_stays(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    user, ben = someone("mallory"), someone("ben")
    memo = user.add(opus, title=EVIL)
    good = user.run("share", memo).out.strip()
    mallory = Mallory(user)
    try:
        mallory.lead_to(document([item("good", good, title=EVIL, content_text=EVIL)]))
        ben.run("follow", str(mallory.link))
        (got,) = ben.run("sync").out.split()
        before = ben.run("channel", "show", "Mallory", "--json").json
        for what, content in REFUSED.items():
            mallory.lead_to(content)
            refused = ben.run("sync", expect=7)
            assert "memocast: error: the " in refused.err, what
            assert "hint: tell " in refused.err, what
            after = ben.run("channel", "show", "Mallory", "--json").json
            same = ("items", "memos", "feed", "published")
            assert {key: after[key] for key in same} == {key: before[key] for key in same}, what
            assert after["problem"], what
        assert ben.show(got)["title"] == EVIL
        # It is well again as soon as its owner is.
        mallory.lead_to(document([item("good", good), item("none", "http://127.0.0.1:1/")]))
        ben.run("sync")
        assert ben.run("channel", "show", "Mallory", "--json").json["problem"] is None
        shown = ben.run("channel", "show", "Mallory").out + ben.run("channel", "list").out
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    finally:
        mallory.close()


def test_an_item_that_is_renamed_at_each_sync_is_fetched_once(
    someone: Callable[..., Memocast], opus: Path
) -> None:
    user, ben = someone("mallory"), someone("ben")
    link = user.run("share", user.add(opus)).out.strip()
    mallory = Mallory(user)
    try:
        mallory.lead_to(document([item("first", link)]))
        ben.run("follow", str(mallory.link))
        ben.run("remove", ben.run("sync").out.strip(), "--yes")
        for name in ("second", "third"):
            mallory.lead_to(document([item(name, f"{link}&dn={name}")]))
            assert ben.run("sync").err == "memocast: 'Mallory': 0 new memos\n"
        assert ben.run("channel", "show", "Mallory", "--json").json["items"] == 1
    finally:
        mallory.close()


def test_a_torrent_that_is_no_memo_is_refused_and_the_others_arrive(
    someone: Callable[..., Memocast], opus: Path, tmp_path: Path
) -> None:
    user, ben = someone("mallory"), someone("ben")
    good = user.run("share", user.add(opus, title="Good")).out.strip()
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_bytes(b"x" * 20_000)
    entries = [lt.create_file_entry(f"two/{name}", 20_000) for name in ("one", "two")]
    creator = lt.create_torrent(entries, 16_384, lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(tmp_path), lambda _: None)
    parameters = lt.load_torrent_buffer(lt.bencode(creator.generate()))
    parameters.save_path = str(tmp_path)
    session = bare_session()
    session.add_torrent(parameters)
    port = wait_for("a port", session.listen_port)
    two = f"magnet:?xt=urn:btih:{parameters.info_hashes.v1}&x.pe=127.0.0.1:{port}"
    mallory = Mallory(user)
    try:
        mallory.lead_to(
            document(
                [
                    item("two files", two),
                    item("good", good),
                    item("huge", good, attachments=[{"url": good, "size_in_bytes": 2**45}]),
                ]
            )
        )
        ben.run("follow", str(mallory.link))
        synced = ben.run("sync", expect=7)
        assert "the torrent holds 2 files; a memo is one" in synced.err
        assert "more than the limit of" in synced.err
        assert [ben.show(memo)["title"] for memo in synced.out.split()] == ["Good"]
        shown = ben.run("channel", "show", "Mallory", "--json").json["published"]
        assert {row["title"]: bool(row["problem"]) for row in shown} == {
            "two files": True,
            "good": False,
            "huge": True,
        }
    finally:
        mallory.close()
        del session


@pytest.mark.parametrize(
    "said",
    [
        7,
        {},
        {"id": "x"},
        item("", LINK),
        item("x" * 301, LINK),
        item("half a character \ud800", LINK),
        item("x", "http://example.org/a.mp3"),
        item("x", "file:///etc/passwd"),
        item("x", LINK + "&dn=" + "x" * 5_000),
        item("x", LINK + "\ud800"),
        {"id": "x", "attachments": []},
        {"id": "x", "attachments": {"url": LINK}},
        {"id": 7, "attachments": [{"url": LINK}]},
    ],
)
def test_an_item_that_cannot_be_used_is_left_out(said: object) -> None:
    assert [found.id for found in parse_page(document([said, item("good", LINK)])).items] == [
        "good"
    ]


def test_what_an_item_says_is_kept_within_bounds() -> None:
    said = item(
        "x",
        LINK,
        title="ä" * 500,
        content_text="\0" + "y" * 10_000,
        date_published="9999-12-31T23:59:59Z",
        attachments=[{"url": LINK, "size_in_bytes": -1, "duration_in_seconds": 1e300}],
    )
    (found,) = parse_page(document([said])).items
    assert found.title == "ä" * 150
    assert found.text == "y" * 8_000
    assert found.published <= datetime.now(UTC)
    assert (found.size, found.duration) == (0, 0)
    for moment in ("yesterday", "2026-01-01", 7, None, "0001-01-01T00:00:00-23:59"):
        (found,) = parse_page(document([item("x", LINK, date_published=moment)])).items
        assert found.published == EPOCH


def test_a_page_is_read_as_it_was_written() -> None:
    one = FeedItem(
        "urn:btih:1", "Grüße 🎙", "two\nlines", EPOCH.replace(year=2020), LINK, "audio/ogg", 7, 1234
    )
    page = FeedPage("Anna's notes", (one,), LINK)
    assert parse_page(page.to_bytes()) == page


def test_pages_that_lead_in_circles_are_given_up(library: Library, tmp_path: Path) -> None:
    # No feed can be so, whose pages name each other's hashes; a damaged library could.
    channel = library.channels.add(ChannelLink(bytes(32), SALT, "Mallory"))
    pages = []
    for name, following in (("a", "b"), ("b", "a")):
        (tmp_path / name).write_text(name)
        pages.append(StoredPage(name * 40, following * 40, b"de", tmp_path / name))
    library.feed_pages.hold(channel, pages, ())
    off = settings_.Settings(dht=False)
    reader = FeedReader(library, off, Republisher(library, off))
    with pytest.raises(Refused, match="loops or never ends"), contextlib.ExitStack() as files:
        reader._walk(channel, _Walk("a" * 40), files)
