"""The picture of a player, and the keys that control it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display

if TYPE_CHECKING:
    from rich.text import Text

    from memocast.audio.player import Player

_POLL_SECONDS = 0.05
_SEEK_SECONDS = 5.0


def until_the_end(player: Player, title: str, peaks: bytes) -> bool:
    """Draw the player and obey keys until it ends; return False if the user quits."""
    from memocast.cli.terminal.keys import keys

    with keys() as read, Display() as display:
        while not player.wait(0):
            key = read(_POLL_SECONDS)
            if key == "q":
                return False
            obey(player, key)
            if display.is_visible:
                display.show(draw(player, title, peaks, display.width))
    return True


def obey(player: Player, key: str) -> None:
    """Do what the key stands for, if anything."""
    if key == "space":
        player.paused = not player.paused
    elif key == "right":
        player.seek(player.position + _SEEK_SECONDS)
    elif key == "left":
        player.seek(player.position - _SEEK_SECONDS)
    elif key in "[]" and key:
        player.faster(1 if key == "]" else -1)


def draw(player: Player, title: str, peaks: bytes, width: int) -> Text:
    """Return a picture of the title, the waveform and the position."""
    from rich.text import Text

    from memocast.cli.terminal import waveform

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
    drawing.append("   space ⏯  ←→ seek  [ ] speed  q quits", "dim")
    return drawing
