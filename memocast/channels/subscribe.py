"""Follow and unfollow: a channel by its link, a podcast by its feed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from memocast.channels.follow import discard_unwanted
from memocast.errors import UsageError
from memocast.formats import age, channel
from memocast.formats.channel import ChannelLink, FollowLimits
from memocast.formats.feed import NAME_MAX_BYTES
from memocast.formats.magnet import is_channel
from memocast.podcasts.source import look, source_of
from memocast.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memocast.formats.channel import Channel
    from memocast.library.library import Library

_LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Followed:
    """A followed channel; `is_new` if it was not followed before."""

    channel: Channel
    is_new: bool


def follow(
    library: Library,
    source: str,
    newest: int | None = None,
    max_size: int | None = None,
    keep_days: int | None = None,
    tell: Callable[[int, int], None] = lambda *_: None,
) -> Followed:
    """Follow `source`: a channel's link, or the address or file of a podcast's feed.

    If `source` is or names something followed already, change its limits. Limits (as in
    `FollowLimits`) that are None stay as they are. `tell` is as in `podcasts.source.look`. Raises
    NotALink, UsageError, WrongKey, and for a podcast what `look` raises.
    """
    given = {"newest": newest, "max_size": max_size, "keep_days": keep_days}
    chosen: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    channels = library.channels
    link: ChannelLink | None = None
    known: Channel | None
    if podcast := source_of(library, source):
        known = channels.podcast(podcast)
    elif not is_channel(source) and "magnet:" not in source:
        known = channels.get(source)
    else:
        link = channel.parse(source)
        if link.age_identity:
            age.identity(link.age_identity)  # reports a damaged key before anything changes
        known = channels.known(link)
    if known and known.is_own and not chosen:
        raise UsageError(f"'{known.name}' is your own channel", hint="memocast channel show")
    if known:
        channels.set_limits(known, replace(known.limits, **chosen))
        return Followed(channels.get(known.name), is_new=False)
    limits = FollowLimits(**chosen)
    if link:
        return Followed(channels.add(link, limits=limits), is_new=True)
    assert podcast, "without a link, it is a podcast or already known"
    return Followed(_follow_podcast(library, podcast, limits, tell), is_new=True)


def _follow_podcast(
    library: Library, source: str, limits: FollowLimits, tell: Callable[[int, int], None]
) -> Channel:
    podcast, noted = look(source, "", _LOOK_SECONDS, tell)
    assert podcast is not None, "no earlier state was given"
    name = podcast.title or urlsplit(source).hostname or Path(source).stem
    link = ChannelLink(b"", b"", cut(name, NAME_MAX_BYTES).strip())
    made = library.channels.add(link, limits=limits, source=source)
    library.feed_items.take_podcast(made, podcast.items, noted)
    return made


def unfollow(library: Library, name: str) -> Channel:
    """Stop following the channel; its memos stay. Raises UsageError."""
    found = library.channels.get(name)
    if found.is_own:
        raise UsageError(
            f"'{found.name}' is your own channel, and its key exists nowhere else",
            hint="followers keep what they have; to withdraw memos: memocast channel retract",
        )

    def forget() -> None:
        with library.atomically():
            library.feed_pages.forget(found)
            library.channels.remove(found)

    library.freeing(forget)
    discard_unwanted(library)
    return found
