"""Sync of followed channels and podcasts: what their feeds list is fetched within their limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.channels.feed_reader import DEFAULT_TIMEOUT, FeedReader, identities
from memocast.channels.floor_watch import FloorWatch
from memocast.channels.time_limit import OutOfTime
from memocast.channels.turns import TOO_LONG, must_wait
from memocast.errors import (
    BelowDiskFloor,
    LibraryError,
    MemocastError,
    NoSuchMemo,
    Refused,
)
from memocast.fetching.fetch import DEFAULT_MAX_SIZE, FetchRequest, fetch
from memocast.fetching.progress import Reading
from memocast.formats import link
from memocast.library.disk_floor import DiskFloor
from memocast.podcasts import episodes
from memocast.podcasts.source import guard_of, is_on_web, look

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.channels.republish import Republisher
    from memocast.channels.sync_events import News
    from memocast.fetching.progress import Stage
    from memocast.formats.channel import Channel
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem
    from memocast.settings import Settings

_DAY = 24 * 3600
_WORTH_A_PAUSE = 1 << 20
"""Bytes that are not to be received again and again, and thrown away for want of room."""


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
        self._reader = FeedReader(library, settings, republisher, timeout)
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
        notify(Reading())
        self._expire(channel, news)  # on a full disk, this makes room for the rest
        try:
            if channel.source:
                self._read_podcast(channel, notify)
            else:
                self._reader.read(channel, lambda done: notify(Reading(done)))
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
        self._library.channels.note_held(channel, news.held)

    def _read_podcast(self, channel: Channel, notify: Callable[[Stage], None]) -> None:
        known = self._library.channels.state(channel)
        podcast, state = look(
            channel.source,
            known,
            self._timeout,
            lambda done, total: notify(Reading(done, total)),
        )
        if podcast:
            self._library.feed_items.take_podcast(channel, podcast.items, state)

    def _fetch(
        self,
        channel: Channel,
        notify: Callable[[Stage], None],
        arrived: Callable[[str], None],
        news: News,
    ) -> None:
        items = self._library.feed_items
        for listed in items.wanted(channel):
            if not self._eager and must_wait(listed):
                continue
            if self._has_no_room(channel, listed):
                news.held += 1
                continue
            before = self._bytes_of(listed)
            watch = FloorWatch(self._floor, notify)
            try:
                memo = self._fetch_item(channel, listed, watch)
            except BelowDiskFloor:
                news.held += 1
                is_kept = self._bytes_of(listed) > before
                if watch.received > _WORTH_A_PAUSE and not is_kept:
                    items.note_problem(listed, "the disk had no room for it")
                continue
            except LibraryError:
                raise
            except MemocastError as error:
                news.problems.append(error)
                items.note_problem(listed, error.message)
                continue
            except OutOfTime as over:
                # Others come first next time, and then this one goes on. If it cannot, it has
                # to begin anew, and needs more time (`turns.seconds_for`).
                over.is_of_item = True
                over.is_kept = self._bytes_of(listed) > before
                items.note_problem(listed, TOO_LONG, counts=not over.is_kept)
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
        return room + self._bytes_of(listed) < size

    def _bytes_of(self, listed: ListedItem) -> int:
        """Return the bytes on the disk of what has arrived of the item."""
        with self._library.translated():
            return self._library.staging.bytes_of_item(listed.number)

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
            where, self._timeout, max_size, identities(channel), item=listed.number
        )
        return fetch(self._library, self._settings, request, notify).memo.id

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
