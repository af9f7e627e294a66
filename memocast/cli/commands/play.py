"""The `play` command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memocast.audio import portaudio_check
from memocast.cli import signals
from memocast.cli.context import AppContext, OptionalMemoArgument, app_context
from memocast.cli.terminal import console
from memocast.cli.terminal.player_view import until_the_end
from memocast.errors import UsageError

if TYPE_CHECKING:
    from memocast.formats.memo import Memo


def play(
    context: typer.Context,
    memo: OptionalMemoArgument = None,
    device: Annotated[
        str | None, typer.Option(help="Speaker number or name; see 'devices'.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Play unheard memos from channels you follow.")
    ] = False,
) -> None:
    """Play a memo.

    Space pauses, the arrow keys seek by 5 s, [ and ] change the speed, q quits.

    Example: memocast play latest
    """
    from memocast.audio import decoder

    # Both take a while, and so does the rest.
    portaudio_check.begin()
    decoder.load()
    current = app_context(context, "read")
    if new == (memo is not None):
        raise UsageError("name a memo to play, or use --new", hint="memocast play latest")
    if memo is not None:
        play_memo(current, current.library.get(memo), device or "")
        return
    unheard = current.library.feed_items.unheard()
    if not unheard:
        console.note("nothing new to play")
    for id_ in unheard:
        found = current.library.get(id_)
        console.note(f"'{console.safe(found.title)}' from '{console.safe(found.channel or '')}'")
        if not play_memo(current, found, device or ""):
            return


def play_memo(current: AppContext, memo: Memo, device: str) -> bool:
    """Play to the end; return False if the user stops it."""
    from memocast.library.playing import start_playing

    # The terminal is restored on these signals too.
    signals.interrupt_on_end()
    player = start_playing(current.library, memo, device)
    try:
        return until_the_end(player, memo.title, memo.peaks)
    finally:
        player.stop()
