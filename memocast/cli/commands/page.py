"""The `page` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memocast.cli import signals
from memocast.cli.context import JsonOption, app_context
from memocast.cli.terminal import console


def page(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put the files; created if necessary.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace another page in DIR.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the listening page, for you to host on the web; print its path.

    Anyone who opens it with a link from 'memocast share --page URL' can listen in a
    browser and record an answer. It uses your WebSocket trackers and STUN server.

    Example: memocast page ~/public_html/listen
    """
    from memocast.webpage import export

    signals.interrupt_on_end()
    written = export.write(folder, app_context(context).settings, force=force)
    if json:
        console.document({"path": str(folder), "files": [path.name for path in written]})
    else:
        console.path(folder / "index.html")
    if not (folder / "webtorrent.min.js").exists():
        console.note(
            "the page loads webtorrent.js from a CDN; to host that too, put the file"
            f" dist/webtorrent.min.js of the npm package webtorrent@{export.WEBTORRENT} beside it"
        )
    console.note("hint: set 'page_url' to the page's address, then: memocast share --page latest")
