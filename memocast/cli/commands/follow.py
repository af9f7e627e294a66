"""`follow`, `unfollow` and `following`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from memocast.cli import option_values
from memocast.cli.channel_facts import ChannelArgument, facts_of
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console
from memocast.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

    from memocast.formats.channel import Channel, FollowLimits


def follow(
    context: typer.Context,
    link: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A channel's link; the address or file of a podcast's feed (RSS, Atom);"
            " or the name of what you follow.",
        ),
    ],
    newest: Annotated[
        int | None, typer.Option(min=0, help="Take so many of the newest memos; 0 is all.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Take none larger than this; 0 is no limit.")
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=0, help="Keep each for so many days; 0 is for good.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Follow a channel or a podcast: 'sync' and your running seeder bring what is new.

    Of one that you follow already, change what you take.

    Example: memocast follow "magnet:?xs=urn:btpk:…" --newest 5
    """
    from dataclasses import replace

    from memocast.formats import age
    from memocast.formats import channel as parsing
    from memocast.formats.channel import FollowLimits
    from memocast.formats.magnet import is_channel

    current = app_context(context)
    channels = current.library.channels
    wanted = {
        "newest": newest,
        "max_size": None if max_size is None else option_values.byte_count(max_size),
        "keep_days": keep_days,
    }
    chosen: dict[str, Any] = {key: value for key, value in wanted.items() if value is not None}
    known: Channel | None
    if source := source_of(current, link):
        known = channels.podcast(source)
    elif not is_channel(link) and "magnet:" not in link:
        known = channels.get(link)
    else:
        where = parsing.parse(link)
        if where.age_identity:
            age.identity(where.age_identity)  # a damaged one is told before anything is begun
        known = channels.known(where)
    if known and known.is_own and not chosen:
        raise UsageError(f"'{known.name}' is your own channel", hint="memocast channel show")
    if known:
        channels.set_limits(known, replace(known.limits, **chosen))
        console.note(f"you follow '{console.safe(known.name)}' already{_changed(chosen)}")
    else:
        limits = FollowLimits(**chosen)
        if source:
            known = follow_podcast(current, source, limits)
        else:
            known = channels.add(where, limits=limits)
        console.note(
            f"you follow '{console.safe(known.name)}' now; its memos come with your running"
            " seeder, or with: memocast sync"
        )
    if json:
        console.document(facts_of(current, channels.get(known.name)))


def _changed(chosen: dict[str, Any]) -> str:
    return "; what you take of it was changed" if chosen else ""


def unfollow(context: typer.Context, channel: ChannelArgument) -> None:
    """Follow a channel no more. Its memos stay in your library.

    Example: memocast unfollow "Anna's notes"
    """
    library = app_context(context).library
    found = library.channels.get(channel)
    if found.is_own:
        raise UsageError(
            f"'{found.name}' is your own channel, and its key is nowhere else",
            hint="followers keep what they have; take memos out with: memocast channel retract",
        )
    with library.together():
        library.feed_pages.forget(found)
        library.channels.remove(found)
    console.note(f"you do not follow '{console.safe(found.name)}' any more")


def following(context: typer.Context, json: JsonOption = False) -> None:
    """List the channels that you follow: key, items, memos, unheard, last look, name.

    Example: memocast following
    """
    current = app_context(context)
    found = [
        facts_of(current, channel)
        for channel in current.library.channels.all()
        if not channel.is_own
    ]
    if json:
        console.document(found)
        return
    if not found and console.stdout_is_terminal():
        console.note("you follow nobody yet: memocast follow SOURCE")
    for facts in found:
        console.data(
            f"{facts['key'][:8] or '-'}\t{facts['items']}\t{facts['memos']}\t{facts['unheard']}"
            f"\t{facts['checked'] or '-'}\t{console.safe(facts['name'])}"
        )


_LOOK_SECONDS = 30.0


def source_of(current: AppContext, text: str) -> str | None:
    """The address or file that a podcast's feed is at; None when `text` means something else.

    Raises NotALink for an address that memocast does not go to.
    """
    from memocast.podcasts import http_get

    if "magnet:" in text:
        return None
    if "://" in text:
        return http_get.checked_url(text)
    if current.library.channels.is_taken(text):
        return None
    try:
        return str(Path(text).absolute()) if Path(text).is_file() else None
    except (OSError, ValueError):
        return None


def follow_podcast(current: AppContext, source: str, limits: FollowLimits) -> Channel:
    """Read the feed, and follow it from now on. Raises what `episodes.look` raises."""
    from memocast.formats.channel import ChannelLink
    from memocast.formats.feed import NAME_MAX_BYTES
    from memocast.podcasts.source import look
    from memocast.text import cut

    podcast, noted = look(source, "", _LOOK_SECONDS)
    assert podcast is not None, "nothing was known of it"
    name = podcast.title or urlsplit(source).hostname or Path(source).stem
    link = ChannelLink(b"", b"", cut(name, NAME_MAX_BYTES))
    made = current.library.channels.add(link, limits=limits, source=source)
    current.library.feed_items.take_podcast(made, podcast.items, noted)
    if not podcast.items:
        console.note("there is no audio in its feed so far")
    return made
