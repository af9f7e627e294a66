"""Reading of a channel's feed that is interrupted, and continued by the next sync."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from helpers.kept_memo import keep
from memocast import settings as settings_
from memocast.bittorrent import dht
from memocast.channels.follow import Follower
from memocast.channels.sync_events import News
from memocast.channels.time_limit import OutOfTime
from memocast.errors import BelowDiskFloor, SwarmTimeout
from memocast.fetching.page_download import DownloadedPage
from memocast.fetching.progress import Reading
from memocast.formats import torrent
from memocast.formats.channel import SALT, ChannelLink, FollowLimits
from memocast.formats.feed import FeedItem, FeedPage
from memocast.formats.magnet import Magnet
from memocast.formats.mutable_item import SignedItem
from memocast.library.disk_floor import DiskFloor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memocast.fetching.progress import Stage
    from memocast.formats.channel import Channel
    from memocast.formats.link import Link
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem

LINK = "magnet:?xt=urn:btih:"
SIZE = 100_000
"""Bytes of each item's memo."""


class Feed:
    """A followed channel whose pages come from here instead of from the network."""

    def __init__(self, library: Library, folder: Path, newest: int = 0) -> None:
        self.library = library
        self._folder = folder
        self._pages: dict[str, DownloadedPage] = {}
        self._head = ""
        self.asked: list[str] = []
        self.failing: dict[str, BaseException] = {}
        limits = FollowLimits(newest=newest)
        self.channel = library.channels.add(ChannelLink(bytes(32), SALT, "Anna"), limits=limits)
        self._follower = Follower(library, settings_.Settings(), self)  # type: ignore[arg-type]

    def publish(self, *pages: str) -> list[str]:
        """Publish these pages, newest first, each a text of one letter an item; their hashes."""
        made: list[str] = []
        for ids in reversed(pages):
            older = str(Magnet(made[0])) if made else ""
            items = tuple(_item(id_) for id_ in ids)
            file = self._folder / f"{len(list(self._folder.iterdir()))}.json"
            file.write_bytes(FeedPage("Anna", items, older).to_bytes())
            page = torrent.make_feed_page(file, "Anna")
            self._pages[page.info_hash] = DownloadedPage(file, page)
            made.insert(0, page.info_hash)
        self._head = made[0]
        return made

    def refresh(self, channel: Channel) -> tuple[SignedItem, int]:
        """What the DHT has, as `Republisher.refresh` tells."""
        return SignedItem(bytes(32), SALT, 1, dht.pointer(self._head), b""), 1

    @contextlib.contextmanager
    def download(self, _library: Library, where: Link, *others: Any) -> Iterator[DownloadedPage]:
        """In place of `download_page`."""
        tell = others[-1]
        tell(7)
        self.asked.append(where.v1)
        if error := self.failing.get(where.v1):
            raise error
        page = self._pages[where.v1]
        copy = page.file.with_suffix(".copy")
        copy.write_bytes(page.file.read_bytes())
        yield DownloadedPage(copy, page.torrent)

    def read(self) -> str:
        """Read the feed; the ids of its items, newest first."""
        self.asked = []
        self._follower._reader.read(self.channel)
        return self.items()

    def sync(self, notify: Callable[[Stage], None] = lambda _: None) -> News:
        news = News()
        channel = self.library.channels.get("Anna")
        self._follower.sync(channel, news, notify)
        return news

    def items(self) -> str:
        return "".join(listed.item.id for listed in self.library.feed_items.items(self.channel))

    def item(self, id_: str) -> ListedItem:
        found = self.library.feed_items.get(self.channel, id_)
        assert found
        return found


def _item(id_: str) -> FeedItem:
    link = LINK + id_.encode().hex().zfill(40)
    return FeedItem(id_, id_, "", datetime.fromtimestamp(0, UTC), link, "audio/ogg", SIZE, 1)


@pytest.fixture
def feed(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    (tmp_path / "pages").mkdir()
    made = Feed(library, tmp_path / "pages")
    monkeypatch.setattr("memocast.channels.feed_reader.download_page", made.download)
    return made


@pytest.mark.parametrize("error", [BelowDiskFloor(), OutOfTime(), KeyboardInterrupt()])
def test_what_was_not_read_of_a_feed_is_read_by_the_next_sync(
    feed: Feed, error: BaseException
) -> None:
    _, _, oldest = feed.publish("fe", "dc", "ba")
    feed.failing[oldest] = error
    with pytest.raises(type(error)):
        feed.read()
    assert feed.items() == "fedc"
    feed.failing.clear()
    assert feed.read() == "fedcba"
    assert feed.asked == [oldest], "the others are here"
    assert feed.read() == "fedcba"
    assert feed.asked == []


def test_a_new_head_that_nobody_sends_yet_is_taken_when_somebody_does(feed: Feed) -> None:
    feed.publish("ba")
    assert feed.read() == "ba"
    newest, _ = feed.publish("dc", "ba")
    feed.failing[newest] = SwarmTimeout("nobody has it")
    for _ in range(2):
        with pytest.raises(SwarmTimeout):
            feed.read()
        assert feed.items() == "ba"
    feed.failing.clear()
    assert feed.read() == "dcba"


def test_what_was_read_stays_when_the_rest_arrives(feed: Feed, opus: Path) -> None:
    library = feed.library
    _, _, oldest = feed.publish("fe", "dc", "ba")
    feed.failing[oldest] = SwarmTimeout("nobody has it")
    with pytest.raises(SwarmTimeout):
        feed.read()
    memo = keep(library, opus, item=feed.item("f").number)
    library.feed_items.mark_heard(memo)
    removed = keep(library, opus, item=feed.item("e").number)
    library.remove(library.get(removed))
    feed.failing.clear()
    feed.read()
    assert (feed.item("f").memo, feed.item("f").heard) == (memo, True)
    assert feed.item("e").arrived, "what the user removed is not fetched again"
    wanted = [listed.item.id for listed in library.feed_items.wanted(feed.channel)]
    assert wanted == ["a", "b", "c", "d"]


def test_what_left_the_feed_meanwhile_is_gone_once_all_of_it_was_read(feed: Feed) -> None:
    feed.publish("fe", "dc", "ba")
    assert feed.read() == "fedcba"
    _, between, _ = feed.publish("gf", "d", "ba")
    feed.failing[between] = SwarmTimeout("nobody has it")
    with pytest.raises(SwarmTimeout):
        feed.read()
    assert set(feed.items()) == set("gfedcba")
    feed.failing.clear()
    assert feed.read() == "gfdba"


def test_a_feed_that_goes_back_to_an_older_page_loses_the_newer_ones(feed: Feed) -> None:
    feed.publish("fe", "dc")
    feed.read()
    feed.publish("dc")
    assert feed.read() == "dc"
    assert feed.asked == []


def test_a_larger_limit_brings_older_pages(feed: Feed) -> None:
    feed.library.channels.set_limits(feed.channel, FollowLimits(newest=2))
    feed.publish("fe", "dc", "ba")
    assert feed.read() == "fe"
    assert feed.read() == "fe"
    feed.library.channels.set_limits(feed.channel, FollowLimits(newest=3))
    assert feed.read() == "fedc"


def test_a_memo_without_its_audio_does_not_end_a_channel_that_keeps_memos_for_days(
    feed: Feed, opus: Path
) -> None:
    library = feed.library
    feed.publish("ba")
    feed.read()
    limits = FollowLimits(keep_days=1, newest=1, max_size=1)
    library.channels.set_limits(feed.channel, limits)
    missing, there = (
        keep(library, opus, item=feed.item(id_).number, origin="fetched") for id_ in "ab"
    )
    library.path(library.get(missing)).unlink()
    with library.atomically():
        library._database.execute("UPDATE item SET arrived = 1")
    news = feed.sync()
    assert (news.removed, news.problems) == (1, [])
    assert [memo.id for memo in library.rows()] == [missing]
    assert there != missing


def test_a_download_that_is_nearly_here_needs_room_for_its_rest_only(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskFloor, "room", SIZE // 2)
    monkeypatch.setattr("memocast.channels.follow.fetch", _fail)
    feed.publish("a")
    news = feed.sync()
    assert (news.held, news.problems) == (1, [])

    entry = feed.library.staging.download("a" * 40, feed.item("a").number)
    assert entry
    (entry.folder / "audio").write_bytes(bytes(SIZE))
    entry.release()
    news = feed.sync()
    assert news.held == 0
    assert [str(problem) for problem in news.problems] == ["it was tried"]


def test_how_much_of_a_feed_is_here_is_told_from_the_beginning(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memocast.channels.follow.fetch", _fail)
    feed.publish("b", "a")
    stages: list[Stage] = []
    feed.sync(stages.append)
    assert stages[:2] == [Reading(), Reading(7)]
    last = stages[-1]
    assert isinstance(last, Reading)
    assert last.done > 100, "with the page that was complete before"


def test_a_turn_that_brought_pages_of_a_feed_was_not_in_vain(feed: Feed) -> None:
    _, oldest = feed.publish("b", "a")
    for failing, is_kept in ((oldest, True), (feed.publish("c")[0], False)):
        feed.failing[failing] = OutOfTime()
        with pytest.raises(OutOfTime) as over:
            feed.publish("b", "a") if is_kept else None
            feed.read()
        assert over.value.is_kept is is_kept


def _fail(*_: object) -> None:
    raise SwarmTimeout("it was tried")
