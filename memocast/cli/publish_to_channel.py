"""Publishing to one of the user's channels, and announcing it on the DHT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Counter
from memocast.errors import MemocastError

if TYPE_CHECKING:
    from typing import Any

    from memocast.channels.publish import Publisher
    from memocast.cli.context import AppContext
    from memocast.formats.channel import Channel
    from memocast.formats.feed import FeedItem
    from memocast.formats.memo import Memo


def publish_memos(
    current: AppContext,
    channel: Channel,
    memos: list[Memo],
    attempts: console.Attempts,
    *,
    seed: bool,
) -> list[dict[str, Any]]:
    """Publish memos to the channel; return what `publish --json` prints about each."""
    from memocast.channels.publish import Publisher
    from memocast.cli.share_link import ensure_seeder

    publisher = Publisher(current.library, current.settings, channel)
    counter = Counter("sealing")

    known: list[Memo] = []

    def offer_one(found: Memo) -> tuple[Memo, FeedItem]:
        item = publisher.offer(found, lambda size: counter.tell(console.size(size)))
        if publisher.has(item):
            known.append(found)
            raise MemocastError(
                f"memo {found.id} is already in '{channel.name}'", hint="memocast channel show"
            )
        return found, item

    publisher.catch_up()
    try:
        offers = attempts.each(memos, offer_one)
    finally:
        counter.done()
    if offers:
        publisher.publish(offers)
    if offers or known:  # an interrupted run may have published without announcing
        ensure_seeder(current, memos, wanted=seed)
        announce(current, publisher)
    return [{"id": memo.id, "link": item.link, "channel": channel.name} for memo, item in offers]


def announce(current: AppContext, publisher: Publisher) -> None:
    """Announce the channel's newest page on the DHT, and print a note about the result."""
    if not current.settings.dht:
        console.note("nobody can find this: the DHT is off; turn on the setting 'dht'")
    elif holders := publisher.announce():
        name = console.safe(publisher.channel.name)
        console.note(f"published to '{name}'; {holders} DHT nodes hold it")
    else:
        console.note(
            "published here, but no DHT node could be reached; the running seeder tries again"
        )
