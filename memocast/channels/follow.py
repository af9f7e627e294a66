"""Sync of followed channels: signed item → feed pages → memos; and of podcasts."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.bittorrent import dht
from memocast.channels.time_limit import OutOfTime
from memocast.errors import (
    BelowDiskFloor,
    LibraryError,
    MemocastError,
    NoSuchMemo,
    Refused,
    SwarmTimeout,
)
from memocast.fetching.fetch import DEFAULT_MAX_SIZE, FetchRequest, fetch
from memocast.fetching.page_download import DownloadedPage, download_page
from memocast.formats import age, link
from memocast.formats.feed import MAX_PAGE_BYTES, FeedItem, FeedPage, parse_page
from memocast.formats.link import Link
from memocast.library.disk_floor import DiskFloor
from memocast.library.tables.feed_pages import StoredPage
from memocast.podcasts import episodes
from memocast.podcasts.source import guard_of, is_on_web, look

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memocast.channels.republish import Republisher
    from memocast.channels.sync_events import News
    from memocast.fetching.progress import Stage
    from memocast.formats.age import Identity
    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem
    from memocast.settings import Settings

MOST_PAGES = 500
"""Read of one channel at a time. Pages made by memocast have fifty items or more."""

DEFAULT_TIMEOUT = 30.0
_FIRST_PAUSE = 300
_DAY = 24 * 3600


@dataclass(slots=True)
class _Walk:
    """Pages of a feed from `head` to ever older ones; those that are here already are None.

    `older` is the page after them, empty behind the oldest.
    """

    head: str
    pages: dict[str, tuple[StoredPage, Sequence[FeedItem]] | None] = field(default_factory=dict)
    older: str = field(init=False)

    def __post_init__(self) -> None:
        self.older = self.head

    @property
    def new(self) -> list[tuple[StoredPage, Sequence[FeedItem]]]:
        """The pages that were downloaded, newest first, with their items."""
        return [page for page in self.pages.values() if page]


class Follower:
    """Fetches new memos of channels. `timeout`: seconds without progress, for each torrent.

    Unless `eager`, an item that failed is retried less and less often.
    """

    def __init__(
        self,
        library: Library,
        settings: Settings,
        republisher: Republisher,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        eager: bool = True,
    ) -> None:
        self._library = library
        self._settings = settings
        self._republisher = republisher
        self._timeout = timeout
        self._eager = eager
        self._floor = DiskFloor(library.root, settings.disk_floor)

    def sync(
        self,
        channel: Channel,
        news: News,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Look for new items in the channel, and fetch those that its limits allow.

        Calls `arrived` with each memo's id. Problems are added to the news; the feed keeps
        its last good state. Raises LibraryError.
        """
        problem = ""
        self._expire(channel, news)  # on a full disk, this makes room for the rest
        try:
            self.read(channel)
        except BelowDiskFloor:
            news.held += 1
        except LibraryError:
            raise
        except MemocastError as error:
            news.problems.append(error)
            problem = error.message
        self._library.channels.note_check(channel, int(time.time()), problem)
        channel = self._library.channels.get(channel.name)
        self._fetch(channel, notify, arrived, news)

    # -- the feed --------------------------------------------------------------------

    def read(self, channel: Channel) -> None:
        """Update the feed to its newest signed item. Raises MemocastError."""
        if channel.source:
            self._read_podcast(channel)
            return
        channel = self._library.channels.refreshed(channel)
        item, _ = self._republisher.refresh(channel)
        if item is None:
            raise SwarmTimeout(
                f"the channel '{channel.name}' was not found in the DHT",
                hint="its owner or a follower has to be online; try again later",
            )
        walked = _Walk(dht.target_of(item.value))
        with contextlib.ExitStack() as files:
            try:
                self._walk(channel, walked, files)
            finally:  # pages read before an error are good
                if walked.new or (walked.pages and walked.head != channel.head):
                    self._take(channel, walked)

    def _read_podcast(self, channel: Channel) -> None:
        channels = self._library.channels
        podcast, state = look(channel.source, channels.state(channel), self._timeout)
        if podcast:
            self._library.feed_items.take_podcast(channel, podcast.items, state)

    def _walk(self, channel: Channel, walked: _Walk, files: contextlib.ExitStack) -> None:
        """Go on to ever older pages, to the oldest one, or until there are enough items.

        Pages that are here already are passed: an earlier walk may have ended before the oldest.
        """
        wanted = 0 if channel.is_own else channel.limits.newest
        items = 0
        while info_hash := walked.older:
            is_here = (older := self._library.feed_pages.older(channel, info_hash)) is not None
            if not is_here and wanted and items >= wanted:
                return
            if info_hash in walked.pages or (not is_here and len(walked.pages) >= MOST_PAGES):
                raise Refused(
                    f"the feed of '{channel.name}' loops or never ends",
                    hint="tell its owner",
                )
            if older is not None:
                walked.pages[info_hash] = None
                if wanted:
                    items += len(self._library.feed_items.items(channel, page=info_hash))
            else:
                if not channel.is_own:
                    self._floor.check()
                came = files.enter_context(self._download(channel, info_hash))
                page = self._page(channel, came)
                older = _info_hash(page.next)
                stored = StoredPage(info_hash, older, came.torrent.content, came.file)
                walked.pages[info_hash] = stored, page.items
                items += len(page.items)
            walked.older = older

    def _download(
        self, channel: Channel, info_hash: str
    ) -> contextlib.AbstractContextManager[DownloadedPage]:
        where = Link(info_hash, dn=channel.name, trackers=channel.link.trackers)
        return download_page(self._library, where, self._settings, MAX_PAGE_BYTES, self._timeout)

    def _page(self, channel: Channel, came: DownloadedPage) -> FeedPage:
        with self._library.translated():
            content = came.file.read_bytes()
        identities = self._identities(channel)
        return parse_page(age.unseal(content, identities) if identities else content)

    def _take(self, channel: Channel, walked: _Walk) -> None:
        """Make the pages that were walked the channel's feed."""
        feeds, pages = self._library.feed_items, self._library.feed_pages
        listed: dict[str, FeedItem] = {}
        for _, items in walked.new:
            for item in items:
                listed.setdefault(item.id, item)
        with self._library.atomically():
            found = self._library.channels.numbered(channel.number)
            if found is None or found.head != channel.head:
                return  # another process changed the feed meanwhile; the next sync reads it again
            before = pages.chain(channel, channel.head, ())
            left = list(itertools.takewhile(lambda page: page not in walked.pages, before))
            joins = len(left) < len(before)
            gone = [
                known
                for known in feeds.items(channel)
                if known.page
                and known.page not in walked.pages
                and known.item.id not in listed
                # Otherwise it may be on an older page, which was not reached.
                and (not walked.older or (joins and known.page in left))
            ]
            renamed = feeds.rename(channel, listed.values(), gone)
            gone = [known for known in gone if known.number not in renamed]
            pages.replace(channel, walked.head, walked.new, gone)
            for known in gone:
                self._let_go(known)

    def _let_go(self, listed: ListedItem) -> None:
        """Stop seeding a memo that its channel retracted; the user keeps it."""
        if listed.memo:
            try:
                memo = self._library.get(listed.memo)
            except NoSuchMemo:  # its audio is missing, which 'doctor' reports
                return
            if memo.origin == "fetched" and not memo.shared:  # not shared by the user
                self._library.shares.stop(memo)

    # -- memos -----------------------------------------------------------------------

    def _fetch(
        self,
        channel: Channel,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
        news: News,
    ) -> None:
        items = self._library.feed_items
        for listed in items.wanted(channel):
            if self._must_wait(listed):
                continue
            if self._has_no_room(channel, listed):
                news.held += 1
                continue
            try:
                memo = self._fetch_item(channel, listed, self._floor.watched(notify))
            except BelowDiskFloor:
                news.held += 1
                continue
            except LibraryError:
                raise
            except MemocastError as error:
                news.problems.append(error)
                items.note_problem(listed, error.message)
                continue
            except OutOfTime:
                # Others come first next time, and then this one goes on.
                items.note_problem(listed, "it takes longer than a sync may take", counts=False)
                raise
            items.settle(listed.number, memo)
            news.memos.append(memo)
            arrived(memo)

    def _has_no_room(self, channel: Channel, listed: ListedItem) -> bool:
        if self._floor.is_reached:
            return True
        size, room = listed.item.size, self._floor.room
        # What is larger than the channel's limit is refused, however much room there is.
        if not room < size <= _max_size(channel):
            return False
        with self._library.translated():
            return room + self._library.staging.bytes_of_item(listed.number) < size

    def _must_wait(self, listed: ListedItem) -> bool:
        pause = min(_FIRST_PAUSE * 2**listed.tries, _DAY)
        return bool(listed.problem) and not self._eager and time.time() < listed.tried + pause

    def _fetch_item(
        self, channel: Channel, listed: ListedItem, notify: Callable[[Stage], None]
    ) -> str:
        item = listed.item
        max_size = _max_size(channel)
        if item.size > max_size:
            raise Refused(
                f"'{item.title}' is {item.size:,} bytes, more than the limit of {max_size:,}",
                hint=f"allow it: memocast follow --max-size {item.size}",
            )
        if channel.source:
            guard = guard_of(channel.source, self._library.channels.state(channel))
            is_file = not is_on_web(channel.source)
            podcasts = episodes.Episodes(
                self._library, self._settings, self._timeout, notify, guard, is_file=is_file
            )
            return podcasts.fetch(listed, max_size).id
        (where,) = link.parse(item.link)
        request = FetchRequest(
            where, self._timeout, max_size, self._identities(channel), item=listed.number
        )
        return fetch(self._library, self._settings, request, notify).memo.id

    def _identities(self, channel: Channel) -> list[Identity]:
        return [age.identity(channel.link.age_identity)] if channel.link.age_identity else []

    def _expire(self, channel: Channel, news: News) -> None:
        days = channel.limits.keep_days
        if not days or channel.is_own:
            return
        for id_ in self._library.feed_items.expired(channel, int(time.time()) - days * _DAY):
            try:
                memo = self._library.get(id_)
            except NoSuchMemo:  # its audio is missing, which 'doctor' reports
                continue
            if memo.origin == "fetched" and not memo.shared:
                self._library.remove(memo)
                news.removed += 1


def _max_size(channel: Channel) -> int:
    return channel.limits.max_size or DEFAULT_MAX_SIZE


def discard_unwanted(library: Library) -> None:
    """Delete unfinished downloads of items that are no longer wanted from any channel."""
    wanted = {
        listed.number
        for channel in library.channels.all()
        for listed in library.feed_items.wanted(channel)
    }
    with library.translated():
        library.staging.discard_items(wanted)


def _info_hash(magnet: str) -> str:
    """Return the version 1 info-hash in a page's link, or an empty string."""
    try:
        found = link.parse(magnet) if magnet else []
    except MemocastError:
        return ""
    return next((where.v1 for where in found if where.v1), "")
