"""The gate: what is refused of a torrent before a byte of its audio is asked for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from memocast.errors import LibraryError, Refused

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.bittorrent.download import Metadata


def refuse_feed_page(metadata: Metadata) -> None:
    """Raises Refused for a page of a channel's feed, which is followed rather than fetched."""
    if metadata.page:
        raise Refused(
            "this is a page of a channel's feed, not a memo",
            hint="follow the channel by its owner's link: memocast follow LINK",
        )


def approve(metadata: Metadata, max_size: int, staged: Path) -> None:
    """Raises Refused for what is no memo or too large, and LibraryError where there is no room.

    `staged` is where the audio arrives, a part of it perhaps already.
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
