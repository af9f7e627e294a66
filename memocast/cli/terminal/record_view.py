"""The picture of a recording in progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.cli.terminal import console

if TYPE_CHECKING:
    from rich.text import Text

    from memocast.audio.recorder import Recorder


class RecordView:
    """Draws the level, the time and the size on one line."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._held = 0.0

    def picture(self, *, asking: bool) -> Text:
        """Return the current line."""
        from rich.text import Text

        from memocast.cli.terminal import waveform

        recorder = self._recorder
        # The bar falls slowly, so that short peaks can be seen.
        self._held = max(waveform.height(recorder.level), self._held - 0.08)
        clipped = recorder.level >= 255
        bar = "█" * round(self._held * 24)
        line = Text(no_wrap=True, overflow="crop")
        if recorder.paused:
            line.append("❚❚ paused   ", "yellow")
        else:
            line.append("● recording ", "red")
        line.append(f"{console.clock(recorder.elapsed):>7} ")
        line.append(f"{bar:<24}", "red" if clipped else "green")
        line.append(f"{console.size(recorder.size):>9}  ", "dim")
        if asking:
            line.append("discard it? y/N", "bold red")
        else:
            line.append("space ⏯  q stops  esc ✗", "dim")
        return line
