"""The command `channel rss`."""

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
        typer.Argument(metavar="CHANNEL", help="A channel's name, or a prefix of its key."),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put the files; created if necessary.")
    ],
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The URL that DIR will have on the web.")
    ] = "",
    in_the_clear: Annotated[
        bool, typer.Option("--in-the-clear", help="Include private memos, unsealed, for everybody.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Export a channel as a podcast, and print the path of its feed.

    DIR gets the feed, its audio and its torrents, for any web server and ordinary
    podcast apps. Run it again to update DIR.

    Example: memocast channel rss "Anna's notes" pod --base-url https://a.example/pod
    """
    from memocast.podcasts import rss_writer as writing

    current = app_context(context, "read")
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
            "its URLs are relative, which some podcast apps do not accept; give the folder's"
            " address: --base-url URL"
        )


def _base(text: str) -> str:
    from memocast.podcasts import http_get

    if not text:
        return ""
    try:
        address = http_get.checked_url(text)
    except NotALink as error:
        raise UsageError(
            f"'{text}' is not the URL of a folder",
            hint="write it in full: --base-url https://example.org/podcast/",
        ) from error
    if "?" in address:
        raise UsageError(f"'{text}' contains a '?'", hint="name a folder, without a query")
    return f"{address.rstrip('/')}/"
