"""The CHANNEL argument, and the facts about a channel that commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli.context import AppContext

if TYPE_CHECKING:
    from typing import Any

    from memocast.formats.channel import Channel

ChannelArgument = Annotated[
    str,
    typer.Argument(
        metavar="CHANNEL", help="A channel's name, or a prefix of its key.", show_default=False
    ),
]


def facts_of(current: AppContext, channel: Channel) -> dict[str, Any]:
    """Return what `--json` prints about a channel."""
    from datetime import UTC, datetime

    from memocast.formats.memo import rfc3339

    checked = datetime.fromtimestamp(channel.checked, UTC) if channel.checked else None
    items, memos, unheard = current.library.feed_items.count(channel)
    return {
        "name": channel.name,
        "key": channel.link.public_key.hex(),
        "link": channel.source or str(channel.link),
        "source": channel.source or None,
        "own": channel.is_own,
        "private": channel.is_private,
        "items": items,
        "memos": memos,
        "unheard": unheard,
        "seq": channel.seq,
        "feed": channel.head or None,
        "newest": channel.limits.newest,
        "max_size": channel.limits.max_size,
        "keep_days": channel.limits.keep_days,
        "checked": rfc3339(checked) if checked else None,
        "problem": channel.problem or None,
    }
