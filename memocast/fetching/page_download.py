"""Pulling: a page of a feed, or something else that is small and no memo, from the swarm."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast.bittorrent.download import STAGED_NAME, finished_torrent
from memocast.errors import Refused
from memocast.fetching.downloader import Downloader, own_addresses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memocast.formats.link import Link
    from memocast.formats.torrent import Torrent
    from memocast.library.library import Library
    from memocast.settings import Settings


@dataclass(frozen=True, slots=True)
class DownloadedPage:
    """A file that came by a torrent, for as long as nobody has moved or deleted it."""

    file: Path
    torrent: Torrent


@contextlib.contextmanager
def download_page(
    library: Library, link: Link, settings: Settings, max_size: int, timeout: float
) -> Iterator[DownloadedPage]:
    """Bring the link's one file here, into a folder that is gone after the block.

    Raises Refused when it is larger than `max_size` bytes, SwarmTimeout, LibraryError.
    """
    with library.translated():
        entry = library.staging.create("page")
    try:
        addresses = own_addresses(library, settings)
        arrival = Downloader(library, link, settings, addresses, entry.folder, timeout)
        is_done = False
        try:
            metadata = arrival.metadata()
            if metadata.files != 1 or metadata.size > max_size:
                raise Refused(
                    "the channel leads to something that is not a feed", hint="tell its owner"
                )
            arrival.complete()
            torrent = finished_torrent(arrival.save_resume_data(), link)
            is_done = True
        finally:
            arrival.sessions.close(done=is_done)
        yield DownloadedPage(entry.folder / STAGED_NAME, torrent)
    finally:
        entry.discard()
