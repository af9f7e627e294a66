"""Fetching of a podcast's episodes, by torrent or from the web, as memos."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast.errors import BelowDiskFloor, LibraryError, MemocastError, Refused
from memocast.fetching.fetch import FetchRequest, fetch
from memocast.fetching.progress import Checking, Loading, Preview
from memocast.formats import link
from memocast.formats.link import MAX_TORRENT_FILE, Link
from memocast.library.importing import keep_staged
from memocast.podcasts import http_get
from memocast.podcasts.source import is_on_web
from memocast.podcasts.web_download import WebDownload

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.fetching.progress import Stage
    from memocast.formats.feed import FeedItem
    from memocast.formats.memo import Memo
    from memocast.library.draft import Draft
    from memocast.library.library import Library
    from memocast.library.tables.feed_items import ListedItem
    from memocast.network.public_connection import Guard
    from memocast.settings import Settings

TORRENT_SECONDS = 10.0
"""Time without progress after which a torrent is given up, if the web has the audio too."""


class Episodes:
    """Fetches episodes. `timeout`: seconds without progress, for each episode.

    They come from where `guard` allows. The torrents of a feed in a file of the user's own may
    come from anywhere, as those of a link that the user gives.
    """

    def __init__(
        self,
        library: Library,
        settings: Settings,
        timeout: float,
        notify: Callable[[Stage], None],
        guard: Guard,
        *,
        is_file: bool,
    ) -> None:
        self._library = library
        self._settings = settings
        self._timeout = timeout
        self._notify = notify
        self._guard = guard
        self._inside = guard.has_own or is_file
        self._announced = 0

    def fetch(self, listed: ListedItem, max_size: int) -> Memo:
        """Fetch an episode by its torrent or, if that fails, from the web.

        Raises what `fetch` and `http_get.get` raise; if both fail, the error of the web.
        """
        item = listed.item
        if item.link != item.audio:
            try:
                return self._by_torrent(listed, max_size)
            except LibraryError:
                raise
            except MemocastError as error:
                if not item.audio:
                    raise _named(error, item) from error
        try:
            return self._from_web(listed, max_size)
        except LibraryError:
            raise
        except MemocastError as error:
            raise _named(error, item) from error

    def _by_torrent(self, listed: ListedItem, max_size: int) -> Memo:
        item = listed.item
        timeout = min(self._timeout, TORRENT_SECONDS) if item.audio else self._timeout
        where = self._link(item.link, timeout)
        request = FetchRequest(where, timeout, max_size, item=listed.number, inside=self._inside)
        return fetch(self._library, self._settings, request, self._notify).memo

    def _link(self, address: str, timeout: float) -> Link:
        if not is_on_web(address):
            (where,) = link.parse(address)
            return where
        content = io.BytesIO()
        http_get.get(address, content, MAX_TORRENT_FILE, timeout, guard=self._guard)
        return Link(torrent=content.getvalue())

    def _from_web(self, listed: ListedItem, max_size: int) -> Memo:
        library, item = self._library, listed.item
        self._notify(Preview(item.title, item.size, item.duration or None, b""))

        def draft(format_: str) -> Draft:
            made = library.draft(item.title, item.text, format_, "fetched")
            created = item.published if item.published.timestamp() else made.created
            # Only the item tells later that this memo is it, and need not be fetched again.
            return replace(made, created=created, item=listed.number)

        with library.translated():
            entry = library.staging.download(f"web-{listed.number}", listed.number)
        if entry is None:
            raise MemocastError("another process is fetching it", hint="try again later")
        download: WebDownload | None = None
        is_refused = False
        try:
            download = WebDownload(library, entry)
            download.complete(item.audio, max_size, self._timeout, self._tell, self._guard)
            return keep_staged(
                library, entry, download.path, draft, lambda at: self._notify(Checking(at))
            )
        except Refused:
            is_refused = True
            raise
        except BelowDiskFloor:
            # It may never end, and would keep the disk as full as this.
            is_refused = not self._announced
            raise
        finally:
            if is_refused or (download and not download.has_something):
                entry.discard()
            entry.release()

    def _tell(self, done: int, total: int) -> None:
        self._announced = total
        self._notify(Loading(done, total))


def _named(error: MemocastError, item: FeedItem) -> MemocastError:
    """Return the same error, naming the episode."""
    return type(error)(f"'{item.title}': {error.message}", hint=error.hint)
