"""Publishing to the user's own channels: memos → feed pages → a signed item."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from memocast.bittorrent import dht
from memocast.channels.feed_reader import FeedReader
from memocast.channels.republish import Republisher
from memocast.errors import MemocastError, UsageError
from memocast.formats import age, mutable_item, torrent
from memocast.formats.channel import ChannelLink, checked_name
from memocast.formats.feed import MIME_TYPES, PAGE_BYTES, PAGE_ITEMS, FeedItem, FeedPage
from memocast.formats.magnet import Magnet
from memocast.formats.memo import now
from memocast.library.sharing import ShareRequest, share
from memocast.library.tables.feed_pages import StoredPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from memocast.formats.channel import Channel
    from memocast.formats.memo import Memo
    from memocast.formats.share import Mode
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem
    from memocast.settings import Settings


def create_channel(
    library: Library, name: str, trackers: Sequence[str], *, private: bool = False
) -> Channel:
    """Create a channel of the user's own; encrypted if `private`. Raises UsageError."""
    name = checked_name(name)
    if library.channels.is_taken(name):
        raise UsageError(
            f"a channel '{name}' already exists",
            hint="choose another name, or show that channel's link:"
            f" memocast channel show {shlex.quote(name)}",
        )
    secret = mutable_item.new_secret()
    link = ChannelLink(
        mutable_item.public_key(secret),
        name=name,
        trackers=tuple(trackers),
        age_identity=age.new_key() if private else "",
    )
    return library.channels.add(link, secret)


class Publisher:
    """Publishes to one channel. The constructor raises UsageError if the user does not own it."""

    def __init__(self, library: Library, settings: Settings, channel: Channel) -> None:
        if not channel.is_own:
            raise UsageError(
                f"'{channel.name}' is somebody else's channel, which you follow",
                hint="make one of your own: memocast channel create NAME",
            )
        self._library = library
        self._settings = settings
        self.channel = channel

    def catch_up(self) -> None:
        """Read what was published elsewhere with the same key, if it can be found."""
        if not self._settings.dht:
            return
        republisher = Republisher(self._library, self._settings)
        with contextlib.suppress(MemocastError):  # it must not keep anyone from publishing
            FeedReader(self._library, self._settings, republisher).read(self.channel)

    def announce(self) -> int:
        """Announce the newest page in the DHT; return how many nodes have it now.

        Raises MemocastError when the DHT is off.
        """
        channel = self._library.channels.refreshed(self.channel)
        _, holders = Republisher(self._library, self._settings).refresh(channel)
        return holders

    def offer(self, memo: Memo, tell: Callable[[int], None] = lambda _: None) -> FeedItem:
        """Share the memo; return the item to `publish`. Raises MemocastError."""
        recipients = self._recipients()
        mode: Mode = "addressed" if recipients else "public"
        shared = share(self._library, memo, ShareRequest(mode, mode, recipients), tell)
        return FeedItem(
            id=f"urn:btih:{shared.info_hash}",
            title=memo.title,
            text=memo.description,
            published=now(),
            link=shared.link(self._settings.trackers),
            mime=MIME_TYPES.get(memo.format, "application/octet-stream"),
            size=memo.size,
            duration=memo.duration,
        )

    def has(self, item: FeedItem) -> bool:
        """Return whether followers find the item, on a page that the signed item leads to."""
        channel = self._library.channels.refreshed(self.channel)
        listed = self._library.feed_items.get(channel, item.id)
        signed = self._library.channels.signed_item(channel)
        if listed is None or signed is None or dht.target_of(signed.value) != channel.head:
            return False
        return listed.page in self._library.feed_pages.chain(channel, channel.head, ())

    def publish(self, offers: Sequence[tuple[Memo, FeedItem]]) -> None:
        """Add these items to the feed, in this order, and sign its newest page; all or nothing."""
        feeds = self._library.feed_items
        with self._changing() as (channel, folder):
            for memo, item in offers:
                feeds.add_own(channel, item, memo.id)
            older = self._library.feed_pages.older(channel, channel.head) if channel.head else None
            fresh = [listed.item for listed in feeds.unpaged(channel)]
            self._replace(channel, folder, fresh, older or "", [], [])

    def retract(self, gone: Sequence[ListedItem]) -> None:
        """Remove these items; rewrite their pages and all newer ones, which link to them."""
        feeds = self._library.feed_items
        with self._changing() as (channel, folder):
            numbers = {listed.number for listed in gone}
            left = {listed.page for listed in gone} - {None}
            leading: list[str] = []
            older: str | None = channel.head
            while older:
                leading.append(older)
                left.discard(older)
                older = self._library.feed_pages.older(channel, older)
                if not left:
                    break

            def kept(known: Iterable[ListedItem]) -> list[FeedItem]:
                return [listed.item for listed in known if listed.number not in numbers]

            between = [kept(feeds.items(channel, page=page)) for page in leading[1:]]
            self._replace(channel, folder, kept(feeds.unpaged(channel)), older or "", between, gone)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[Channel, Path]]:
        """Yield the channel's current state and a folder for new pages, in one transaction."""
        library = self._library
        with library.translated():
            entry = library.staging.create("page")
        try:
            with library.atomically():
                yield self._library.channels.refreshed(self.channel), entry.folder
        finally:
            entry.discard()

    def _replace(
        self,
        channel: Channel,
        folder: Path,
        fresh: Sequence[FeedItem],
        older: str,
        between: Sequence[Sequence[FeedItem]],
        gone: Iterable[ListedItem],
    ) -> None:
        """Write pages of the items `fresh`, newest first, then those `between`, before `older`."""
        pages: list[tuple[StoredPage, Sequence[FeedItem]]] = []
        groups = [*_group(fresh), *(group for group in between if group)]
        for group in reversed(groups):
            stored = self._stored(group, older, folder / f"page-{len(pages)}")
            pages.insert(0, (stored, group))
            older = stored.info_hash
        self._library.feed_pages.replace(channel, older, pages, gone)
        self._library.channels.sign_next(channel, dht.pointer(older))

    def _stored(self, items: Sequence[FeedItem], older: str, file: Path) -> StoredPage:
        channel = self.channel
        trackers = self._settings.trackers
        following = str(Magnet(older, name=channel.name, trackers=trackers)) if older else ""
        content = FeedPage(channel.name, tuple(items), following).to_bytes()
        recipients = self._recipients()
        if recipients:
            content = age.seal(content, recipients)
        with self._library.translated():
            file.write_bytes(content)
            made = torrent.make_feed_page(file, "" if recipients else channel.name)
        return StoredPage(made.info_hash, older, made.content, file)

    def _recipients(self) -> tuple[str, ...]:
        key = self.channel.link.age_identity
        return (age.recipient_of(key),) if key else ()


def _group(items: Sequence[FeedItem]) -> list[Sequence[FeedItem]]:
    """Group the items into pages, newest first. The first grows to twice a page, then is split.

    So a publication leaves older pages as they are.
    """
    groups: list[Sequence[FeedItem]] = []
    left = list(items)
    while len(left) > 1:
        sizes = [len(FeedPage("", (item,)).to_bytes()) for item in left]
        if len(left) < 2 * PAGE_ITEMS and sum(sizes) <= 2 * PAGE_BYTES:
            break
        begin, size = len(left), 0
        while begin > 1 and len(left) - begin < PAGE_ITEMS and size <= PAGE_BYTES:
            begin -= 1
            size += sizes[begin]
        groups.insert(0, left[begin:])
        left = left[:begin]
    return [left, *groups]
