"""Reading a channel's feed: signed item → its pages, which are kept in the library."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from memocast.bittorrent import dht
from memocast.channels.time_limit import OutOfTime
from memocast.errors import MemocastError, NoSuchMemo, Refused, SwarmTimeout
from memocast.fetching.page_download import DownloadedPage, download_page
from memocast.formats import age, link
from memocast.formats.feed import MAX_PAGE_BYTES, FeedItem, FeedPage, parse_page
from memocast.formats.link import Link
from memocast.library.disk_floor import DiskFloor
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memocast.channels.republish import Republisher
    from memocast.formats.age import Identity
    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem
    from memocast.settings import Settings

DEFAULT_TIMEOUT = 30.0
MOST_PAGES = 500
"""Read of one channel at a time. Pages made by memocast have fifty items or more."""


@dataclass(slots=True)
class _Walk:
    """Pages of a feed from `head` to ever older ones; those that are here already are None.

    `older` is the page after them, empty behind the oldest. `size`: bytes downloaded of them.
    """

    head: str
    pages: dict[str, tuple[StoredPage, Sequence[FeedItem]] | None] = field(default_factory=dict)
    older: str = field(init=False)
    size: int = 0

    def __post_init__(self) -> None:
        self.older = self.head

    @property
    def new(self) -> list[tuple[StoredPage, Sequence[FeedItem]]]:
        """The pages that were downloaded, newest first, with their items."""
        return [page for page in self.pages.values() if page]


class FeedReader:
    """Reads the feeds of channels. `timeout`: seconds without progress, for each page.

    Of somebody else's channel nothing is downloaded while the disk is as full as `disk_floor` says.
    """

    def __init__(
        self,
        library: Library,
        settings: Settings,
        republisher: Republisher,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._library = library
        self._settings = settings
        self._republisher = republisher
        self._timeout = timeout
        self._floor = DiskFloor(library.root, settings.disk_floor)

    def read(self, channel: Channel, tell: Callable[[int], None] = lambda _: None) -> None:
        """Update the feed to its newest signed item. Raises MemocastError.

        Calls `tell` with the bytes of pages received so far.
        """
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
                self._walk(channel, walked, files, tell)
            except OutOfTime as over:
                over.is_kept = bool(walked.new)
                raise
            finally:  # pages read before an error are good
                if walked.new or (walked.pages and walked.head != channel.head):
                    self._take(channel, walked)

    def _walk(
        self,
        channel: Channel,
        walked: _Walk,
        files: contextlib.ExitStack,
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
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
                came = files.enter_context(
                    self._download(channel, info_hash, lambda done: tell(walked.size + done))
                )
                page = self._page(channel, came, walked)
                older = _info_hash(page.next)
                stored = StoredPage(info_hash, older, came.torrent.content, came.file)
                walked.pages[info_hash] = stored, page.items
                items += len(page.items)
            walked.older = older

    def _download(
        self, channel: Channel, info_hash: str, tell: Callable[[int], None]
    ) -> contextlib.AbstractContextManager[DownloadedPage]:
        where = Link(info_hash, dn=channel.name, trackers=channel.link.trackers)
        return download_page(
            self._library, where, self._settings, MAX_PAGE_BYTES, self._timeout, tell
        )

    def _page(self, channel: Channel, came: DownloadedPage, walked: _Walk) -> FeedPage:
        with self._library.translated():
            content = came.file.read_bytes()
        walked.size += len(content)
        keys = identities(channel)
        return parse_page(age.unseal(content, keys) if keys else content)

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


def identities(channel: Channel) -> list[Identity]:
    """Return the identity that opens what is published in the channel, if it is private."""
    return [age.identity(channel.link.age_identity)] if channel.link.age_identity else []


def _info_hash(magnet: str) -> str:
    """Return the version 1 info-hash in a page's link, or an empty string."""
    try:
        found = link.parse(magnet) if magnet else []
    except MemocastError:
        return ""
    return next((where.v1 for where in found if where.v1), "")
