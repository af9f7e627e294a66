"""`play`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import console
from memocast.cli.display import Display
from memocast.cli.state import OptionalMemoArgument, State, state
from memocast.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from memocast.memo import Memo
    from memocast.player import Player

_POLL_SECONDS = 0.05
_SEEK_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add this family's commands to the application."""
    app.command()(play)


def play(
    context: typer.Context,
    memo: OptionalMemoArgument = None,
    device: Annotated[
        str | None, typer.Option(help="A speaker's number or name; see 'devices'.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Play what came by your channels and was not heard.")
    ] = False,
) -> None:
    """Play a memo.

    Space pauses, the arrows seek by 5 s, [ and ] change the speed, q ends.

    Example: memocast play latest
    """
    current = state(context)
    if new == (memo is not None):
        raise UsageError("name the memo to play, or --new", hint="memocast play latest")
    if memo is not None:
        play_memo(current, current.library.get(memo), device or "")
        return
    unheard = current.library.feeds.unheard()
    if not unheard:
        console.note("everything was heard")
    for id_ in unheard:
        found = current.library.get(id_)
        console.note(f"'{console.safe(found.title)}', by '{console.safe(found.channel or '')}'")
        if not play_memo(current, found, device or ""):
            return


def play_memo(current: State, memo: Memo, device: str) -> bool:
    """Play to the end, or until the user stops it: then False."""
    from memocast.decoder import blocks
    from memocast.player import Player

    # The terminal is put back on these too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    path = current.library.path(memo)
    player = Player(lambda start: blocks(path, memo.format, start), memo.duration / 1000, device)
    player.start()
    if not memo.heard:
        current.library.feeds.heard(memo.id)
    try:
        return until_the_end(player, memo.title, memo.peaks)
    finally:
        player.stop()


def until_the_end(player: Player, title: str, peaks: bytes) -> bool:
    """Show what is played and obey the keys, until it ends or, then False, the user has it end."""
    from memocast.cli.keys import keys

    with keys() as read, Display() as display:
        while not player.wait(0):
            key = read(_POLL_SECONDS)
            if key == "q":
                return False
            obey(player, key)
            if display.is_visible:
                display.show(picture(player, title, peaks, display.width))
    return True


def obey(player: Player, key: str) -> None:
    """Do what the key is for, if for anything."""
    if key == "space":
        player.paused = not player.paused
    elif key == "right":
        player.seek(player.position + _SEEK_SECONDS)
    elif key == "left":
        player.seek(player.position - _SEEK_SECONDS)
    elif key in "[]" and key:
        player.faster(1 if key == "]" else -1)


def picture(player: Player, title: str, peaks: bytes, width: int) -> Text:
    """The title, the waveform and how far it was played."""
    from rich.text import Text

    from memocast.cli import waveform

    drawn = waveform.draw(peaks, width)
    played = min(width, round(width * player.position / max(player.duration, 0.001)))
    drawing = Text(no_wrap=True, overflow="crop")
    drawing.append(f"{console.safe(title)[: width - 1]}\n", "bold")
    drawing.append(drawn[:played], "green")
    drawing.append(drawn[played:], "dim")
    sign = "❚❚" if player.paused else "▶"
    drawing.append(
        f"\n{sign} {console.clock(player.position)} / {console.clock(player.duration)}"
        f"  ×{player.speed:g}"
    )
    drawing.append("   space ⏯  ←→ seek  [ ] speed  q ends", "dim")
    return drawing
