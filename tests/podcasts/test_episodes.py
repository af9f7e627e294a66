"""The download of an episode in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from memocast.errors import LibraryError
from memocast.formats.channel import ChannelLink
from memocast.formats.feed import FeedItem
from memocast.network.public_connection import Guard
from memocast.podcasts.episodes import Episodes
from memocast.settings import Settings

if TYPE_CHECKING:
    from memocast.library.library import Library

URL = "https://example.com/1.opus"


@pytest.mark.parametrize("error", [LibraryError("the disk is full"), KeyboardInterrupt()])
def test_what_prevents_a_download_is_told_and_leaves_it_to_the_next_process(
    library: Library, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def refuse(*_: object) -> None:
        raise error

    channel = library.channels.add(ChannelLink(b"", b"", "A show"), source="/feed")
    moment = datetime(2021, 9, 1, tzinfo=UTC)
    item = FeedItem("1", "Episode 1", "", moment, URL, "audio/ogg", 1, 1, audio=URL)
    library.feed_items.take_podcast(channel, [item], "")
    (listed,) = library.feed_items.items(channel)
    monkeypatch.setattr(library, "recover", refuse)
    episodes = Episodes(library, Settings(), 1.0, lambda _: None, Guard(), is_file=False)
    with pytest.raises(type(error)):
        episodes.fetch(listed, 1000)
    again = library.staging.download(f"web-{listed.number}", listed.number)
    assert again is not None, "nobody holds it"
    again.release()
