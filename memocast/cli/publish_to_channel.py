"""Publishing to a channel of the user's own, and telling the DHT of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Counter
from memocast.errors import MemocastError, UsageError

if TYPE_CHECKING:
    from typing import Any

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
    """Publish them to the channel; return what `publish --json` prints of each."""
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
                f"memo {found.id} is in '{channel.name}' already", hint="memocast channel show"
            )
        return found, item

    catch_up(current, channel)
    try:
        offers = attempts.each(memos, offer_one)
    finally:
        counter.done()
    if offers:
        publisher.publish(offers)
    if offers or known:  # of what is there already, an interrupted run may have told nobody
        ensure_seeder(current, memos, wanted=seed)
        announce(current, channel)
    return [{"id": memo.id, "link": item.link, "channel": channel.name} for memo, item in offers]


def own_channel(current: AppContext, reference: str | None) -> Channel:
    """The channel that is meant, or the only one of the user's own. Raises UsageError."""
    channels = current.library.channels
    if reference is not None:
        return channels.get(reference)
    own = [channel for channel in channels.all() if channel.is_own]
    if len(own) == 1:
        return own[0]
    if own:
        names = ", ".join(f"'{channel.name}'" for channel in own)
        raise UsageError(f"you have several channels: {names}", hint="name one with --to")
    raise UsageError("you have no channel yet", hint="make one: memocast channel create NAME")


def again(current: AppContext, channel: Channel) -> Channel:
    """The channel as the library has it now. Raises MemocastError when it was removed."""
    found = current.library.channels.known(channel.link)
    if found is None:
        raise MemocastError(f"the channel '{channel.name}' was removed", hint="try again")
    return found


def catch_up(current: AppContext, channel: Channel) -> None:
    """Take in what was published from elsewhere, with the same key."""
    from memocast.channels.follow import Follower, News
    from memocast.channels.republish import Republisher

    if not channel.is_own or not current.settings.dht:
        return
    follower = Follower(
        current.library, current.settings, Republisher(current.library, current.settings)
    )
    try:
        follower.read(channel, News())
    except MemocastError:
        return  # nobody has it yet, or nobody is there; what is published is published


def announce(current: AppContext, channel: Channel) -> None:
    """Tell the DHT of the channel's newest page, and the user how that went."""
    from memocast.channels.republish import Republisher

    if not current.settings.dht:
        console.note("nobody can find this: the DHT is off; turn the setting 'dht' on")
        return
    _, holders = Republisher(current.library, current.settings).refresh(again(current, channel))
    if holders:
        console.note(
            f"published to '{console.safe(channel.name)}'; {holders} nodes of the DHT know"
        )
    else:
        console.note(
            "published here; no node of the DHT could be reached, and the running seeder"
            " tries again"
        )
