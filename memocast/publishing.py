"""Publishing: the user's own channels: memos → pages of a feed → a signed item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast import dht, sealing, torrent
from memocast.channel import page_magnet
from memocast.errors import MemocastError, UsageError
from memocast.feed import MIME_TYPES, PAGE_BYTES, PAGE_ITEMS, Item, Page
from memocast.feeds import StoredPage
from memocast.memo import now
from memocast.sharer import Wish, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from memocast.channel import Channel
    from memocast.library import Library
    from memocast.listed import Listed
    from memocast.memo import Memo
    from memocast.settings import Settings
    from memocast.share import Mode


class Publisher:
    """What its owner does with one channel. Making one raises UsageError for one not owned."""

    def __init__(self, library: Library, settings: Settings, channel: Channel) -> None:
        if not channel.is_own:
            raise UsageError(
                f"'{channel.name}' is somebody else's channel, which you follow",
                hint="make one of your own: memocast channel create NAME",
            )
        self._library = library
        self._settings = settings
        self._channel = channel

    def publish(self, memo: Memo, tell: Callable[[int], None] = lambda _: None) -> Item:
        """Share the memo, and have it in the feed once `renew` is called.

        Raises MemocastError when it is there already.
        """
        channel = self._channel
        recipients = self._recipients()
        mode: Mode = "addressed" if recipients else "public"
        shared = share(self._library, memo, Wish(mode, mode, recipients), tell)
        item = Item(
            id=f"urn:btih:{shared.info_hash}",
            title=memo.title,
            text=memo.description,
            published=now(),
            link=shared.link(dict.fromkeys([*self._settings.trackers, *shared.torrent.trackers])),
            mime=MIME_TYPES.get(memo.format, "application/octet-stream"),
            size=memo.size,
            duration=memo.duration,
        )
        if self._library.feeds.item(channel, item.id):
            raise MemocastError(
                f"memo {memo.id} is in '{channel.name}' already", hint="memocast channel show"
            )
        self._library.feeds.publish(channel, item, memo.id)
        return item

    def renew(self) -> None:
        """Make the newest page anew, with what was published since, and sign it."""
        feeds, channel = self._library.feeds, self._channel
        older = feeds.older(channel, channel.head) if channel.head else None
        fresh = [listed.item for listed in feeds.unpaged(channel)]
        self._replace(fresh, older or "", [], [])

    def retract(self, listed: Listed) -> None:
        """Have an item no more; its page, and those that lead to it, are made anew."""
        feeds, channel = self._library.feeds, self._channel
        leading: list[str] = []
        older: str | None = channel.head
        while older:
            leading.append(older)
            older = feeds.older(channel, older)
            if listed.page in (None, leading[-1]):
                break
        kept = [
            [other.item for other in feeds.items(channel, page=info_hash) if other != listed]
            for info_hash in leading[1:]
        ]
        fresh = [other.item for other in feeds.unpaged(channel) if other != listed]
        self._replace(fresh, older or "", kept, [listed])

    def _replace(
        self,
        fresh: Sequence[Item],
        older: str,
        between: Sequence[Sequence[Item]],
        gone: Iterable[Listed],
    ) -> None:
        """Lead to the items `fresh`, the newest first, then to those `between`, then to `older`."""
        library, channel = self._library, self._channel
        pages: list[tuple[StoredPage, Sequence[Item]]] = []
        with library.translated():
            entry = library.incoming.create("page")
        try:
            groups = [*_grouped(fresh), *(group for group in between if group)]
            for group in reversed(groups):
                stored = self._stored(group, older, entry.folder / f"page-{len(pages)}")
                pages.insert(0, (stored, group))
                older = stored.info_hash
            library.feeds.replace(channel, pages, gone)
        finally:
            entry.discard()
        library.channels.next_item(channel, dht.pointer(pages[0][0].info_hash))

    def _stored(self, items: Sequence[Item], older: str, file: Path) -> StoredPage:
        channel = self._channel
        trackers = self._settings.trackers
        following = page_magnet(older, channel.name, trackers) if older else ""
        content = Page(channel.name, tuple(items), following).to_bytes()
        recipients = self._recipients()
        if recipients:
            content = sealing.seal(content, recipients)
        with self._library.translated():
            file.write_bytes(content)
            made = torrent.make_page(file, "" if recipients else channel.name)
        return StoredPage(made.info_hash, older, made.content, file)

    def _recipients(self) -> tuple[str, ...]:
        age = self._channel.link.age
        return (sealing.recipient_of(age),) if age else ()


def _grouped(items: Sequence[Item]) -> list[Sequence[Item]]:
    """The items page by page, the newest first: the first page grows to two, then is cut in two.

    Pages before it so stay as they are, whatever is published.
    """
    groups: list[Sequence[Item]] = []
    left = list(items)
    while len(left) > 1:
        sizes = [len(Page("", (item,)).to_bytes()) for item in left]
        if len(left) < 2 * PAGE_ITEMS and sum(sizes) <= 2 * PAGE_BYTES:
            break
        begin, size = len(left), 0
        while begin > 1 and len(left) - begin < PAGE_ITEMS and size <= PAGE_BYTES:
            begin -= 1
            size += sizes[begin]
        groups.insert(0, left[begin:])
        left = left[:begin]
    return [left, *groups]
