"""Playing a memo, which marks it as heard."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from memocast.audio import decoder
from memocast.audio.player import Player
from memocast.errors import Unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.audio.decoder import Samples
    from memocast.formats.memo import Memo
    from memocast.library.library import Library


def start_playing(library: Library, memo: Memo, device: str = "") -> Player:
    """Play the memo on that speaker in a thread of its own. Raises DeviceError, LibraryError."""
    decoder.load(memo.format)
    path = library.path(memo)
    lasts = memo.duration / 1000

    def blocks(start: float) -> Iterator[tuple[int, Samples]]:
        with library.translated():
            yield from decoder.blocks(path, memo.format, start, lasts=lasts)

    player = Player(blocks, lasts, device)
    player.start()
    if not memo.heard:
        with contextlib.suppress(Unwritable):  # listening takes no room
            library.feed_items.mark_heard(memo.id)
    return player
