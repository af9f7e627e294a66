"""Checks that refuse a torrent before any of its audio is requested."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from memocast.errors import LibraryError, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.bittorrent.download import Metadata


def refuse_feed_page(metadata: Metadata) -> None:
    """Raise Refused for a page of a channel's feed, which is followed rather than fetched."""
    if metadata.page:
        raise Refused(
            "this is a page of a channel's feed, not a memo",
            hint="follow the channel by its owner's link: memocast follow LINK",
        )


def approve(metadata: Metadata, max_size: int, staged: Path) -> None:
    """Raise Refused if it is not a memo or is too large, and LibraryError if there is no room.

    `staged` is the file that the audio is downloaded to; part of it may be there already.
    """
    if metadata.files != 1:
        raise Refused(
            f"the torrent holds {metadata.files} files; a memo is one",
            hint="fetch it with a BitTorrent client, then: memocast add FILE",
        )
    if metadata.size > max_size:
        raise Refused(
            f"the audio is {metadata.size:,} bytes, more than the limit of {max_size:,}",
            hint=f"allow it with --max-size {metadata.size}",
        )
    # Blocks, not the apparent size: an unfinished download is a sparse file.
    present = staged.stat().st_blocks * 512 if staged.exists() else 0
    free = shutil.disk_usage(staged.parent).free
    needed = metadata.size * (1 if metadata.sealed is None else 2)
    if needed - present > free:
        raise LibraryError(
            f"no room for {needed:,} bytes: the disk has {free:,} left",
            hint="free some space, then fetch it again",
        )
