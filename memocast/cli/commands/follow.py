"""The commands `follow`, `unfollow` and `following`."""

from __future__ import annotations

from typing import Annotated

import typer

from memocast.cli import option_values, secret_argument
from memocast.cli.channel_facts import ChannelArgument, facts_of
from memocast.cli.context import JsonOption, app_context
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.cli.terminal.fetch_view import FetchView
from memocast.errors import UsageError


def follow(
    context: typer.Context,
    link: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="A channel's link; the URL or file of a podcast's feed (RSS, Atom);"
            " or the name of a channel you follow; '-' reads it from standard input. Without one"
            " you are asked, and what you paste is not shown: give a private channel's link that"
            " way, since others can see arguments.",
            show_default=False,
        ),
    ] = None,
    newest: Annotated[
        int | None, typer.Option(min=0, help="Fetch only this many, the newest; 0 is all.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Skip memos larger than this; 0 is no limit."),
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(min=0, help="Delete memos after this many days; 0 is never.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Follow a channel or a podcast: 'sync' and the running seeder fetch new memos.

    Run it again to change the options of one that you follow.

    Example: memocast follow "magnet:?xs=urn:btpk:…" --newest 5
    """
    from memocast.channels import subscribe
    from memocast.fetching.progress import Reading

    current = app_context(context)
    if link is None and not console.stdin_is_terminal():
        raise UsageError("name what to follow", hint="'-' reads a link from standard input")
    if link is not None:
        secret_argument.warn_of_key(link, "follow")
    source = secret_argument.read(link or "-", "paste the channel's link (it is not shown): ")
    if not source:
        raise UsageError("no link was given", hint="paste a channel's link or a feed's address")
    size = None if max_size is None else option_values.byte_count(max_size)
    with Display() as display:
        view = FetchView(display, None)
        done = subscribe.follow(
            current.library,
            source,
            newest,
            size,
            keep_days,
            lambda loaded, total: view.show(Reading(loaded, total)),
        )
    found = done.channel
    if not done.is_new:
        is_changed = (newest, size, keep_days) != (None, None, None)
        also = "; its options were changed" if is_changed else ""
        console.note(f"you already follow '{console.safe(found.name)}'{also}")
    else:
        if found.source and not any(current.library.feed_items.count(found)):
            console.note("its feed contains no audio yet")
        console.note(
            f"you now follow '{console.safe(found.name)}'; your running seeder fetches its memos,"
            " or do it now: memocast sync"
        )
    if json:
        console.document(facts_of(current, found))


def unfollow(context: typer.Context, channel: ChannelArgument) -> None:
    """Stop following a channel. Its memos stay in your library.

    Example: memocast unfollow "Anna's notes"
    """
    from memocast.channels import subscribe

    found = subscribe.unfollow(app_context(context, "free").library, channel)
    console.note(f"you no longer follow '{console.safe(found.name)}'")


def following(context: typer.Context, json: JsonOption = False) -> None:
    """List the channels that you follow: key, items, memos, unheard, last check, name.

    Example: memocast following
    """
    current = app_context(context, "read")
    found = [
        facts_of(current, channel)
        for channel in current.library.channels.all()
        if not channel.is_own
    ]
    if json:
        console.document(found)
        return
    if not found and console.stdout_is_terminal():
        console.note("you follow no channels yet; follow one: memocast follow SOURCE")
    for facts in found:
        console.data(
            f"{facts['key'][:8] or '-'}\t{facts['items']}\t{facts['memos']}\t{facts['unheard']}"
            f"\t{facts['checked'] or '-'}\t{console.safe(facts['name'])}"
        )
