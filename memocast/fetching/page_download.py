"""Downloading a small torrent that is not a memo, such as a page of a feed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast.bittorrent.download import STAGED_NAME, Progress, finished_torrent
from memocast.errors import Refused
from memocast.fetching.downloader import Downloader, own_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memocast.fetching.progress import Stage
    from memocast.formats.link import Link
    from memocast.formats.torrent import Torrent
    from memocast.library.library import Library
    from memocast.settings import Settings


@dataclass(frozen=True, slots=True)
class DownloadedPage:
    """A downloaded file, which is deleted later unless it is moved, and its torrent."""

    file: Path
    torrent: Torrent


@contextlib.contextmanager
def download_page(
    library: Library,
    link: Link,
    settings: Settings,
    max_size: int,
    timeout: float,
    tell: Callable[[int], None] = lambda _: None,
) -> Iterator[DownloadedPage]:
    """Download the link's one file into a folder that is deleted after the block.

    Calls `tell` with the bytes received, 0 while nobody has sent any. Raises Refused when it is
    larger than `max_size` bytes, SwarmTimeout, LibraryError.
    """

    def show(stage: Stage) -> None:
        tell(stage.done if isinstance(stage, Progress) else 0)

    with library.translated():
        entry = library.staging.create("page")
    try:
        addresses = own_addresses(library, settings)
        downloader = Downloader(library, link, settings, addresses, entry.folder, timeout, show)
        is_done = False
        try:
            metadata = downloader.metadata()
            if metadata.files != 1 or metadata.size > max_size:
                raise Refused(
                    "the channel leads to something that is not a feed", hint="tell its owner"
                )
            downloader.complete()
            torrent = finished_torrent(downloader.save_resume_data(), link)
            is_done = True
        finally:
            downloader.sessions.close(done=is_done)
        yield DownloadedPage(entry.folder / STAGED_NAME, torrent)
    finally:
        entry.discard()
