"""`channel rss`, and following a podcast: both ways to the world of ordinary podcasts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import signals
from memocast.cli.context import JsonOption, app_context
from memocast.cli.terminal import console
from memocast.errors import NotALink, UsageError

if TYPE_CHECKING:
    pass


def rss(
    context: typer.Context,
    channel: Annotated[
        str,
        typer.Argument(metavar="CHANNEL", help="A channel's name, or the beginning of its key."),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put the files; made if need be.")
    ],
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The address that DIR will have on the web.")
    ] = "",
    in_the_clear: Annotated[
        bool, typer.Option("--in-the-clear", help="Also what is private: for everybody.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write a channel as a podcast: a feed and its audio, for any web server.

    Ordinary podcast apps play it; it has the torrents too. Run it again to bring
    DIR up to date. Prints the path of the feed.

    Example: memocast channel rss "Anna's notes" pod --base-url https://a.example/pod
    """
    from memocast.podcasts import rss_writer as writing

    current = app_context(context)
    found = current.library.channels.get(channel)
    address = _base(base_url)
    signals.interrupt_on_end()
    done = writing.write(current.library, found, folder, address, in_the_clear=in_the_clear)
    if json:
        left_out = [{"id": item.id, "title": item.title, "why": why} for item, why in done.left_out]
        console.document(
            {
                "path": str(done.path),
                "items": done.items,
                "copied": done.copied,
                "removed": done.removed,
                "left_out": left_out,
            }
        )
    else:
        console.path(done.path)
    for why, number in Counter(why for _, why in done.left_out).items():
        console.note(f"left out {console.count(number, 'memo')}: {why}")
    if not address:
        console.note(
            "the addresses in it are relative, which some podcast apps do not take; say where it"
            " will be: --base-url URL"
        )


def _base(text: str) -> str:
    from memocast.podcasts import http_get

    if not text:
        return ""
    try:
        address = http_get.checked_url(text)
    except NotALink as error:
        raise UsageError(
            f"'{text}' is no address of a folder on the web",
            hint="write it whole: --base-url https://example.org/podcast/",
        ) from error
    if "?" in address:
        raise UsageError(f"'{text}' has a '?' in it", hint="name a folder, without a query")
    return f"{address.rstrip('/')}/"
