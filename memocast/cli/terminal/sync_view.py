"""The picture of a sync in progress: one source in full, several in a line each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.fetch_view import FetchView, stage_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.text import Text

    from memocast.cli.terminal.display import Display
    from memocast.fetching.progress import Stage

_REDRAW_SECONDS = 0.1
_NAME_WIDTH = 24


class SyncView:
    """Draws what happens to sources, given by their numbers and names."""

    def __init__(self, display: Display, names: Mapping[int, str]) -> None:
        self._display = display
        self._names = names
        self._alone = FetchView(display, None) if len(names) == 1 else None
        self._stages: dict[int, Stage] = {}
        self._titles: dict[int, str] = {}
        self._drawn = 0.0
        self._is_behind = False

    def show(self, source: int, stage: Stage) -> None:
        """Draw that the source has reached this stage."""
        if self._alone:
            self._alone.show(stage)
            return
        from memocast.fetching.progress import Preview

        self._stages[source] = stage
        if isinstance(stage, Preview):
            self._titles[source] = stage.title
        self._is_behind = True
        if time.monotonic() - self._drawn > _REDRAW_SECONDS:
            self.catch_up()

    def catch_up(self) -> None:
        """Draw what was not drawn yet: nothing may follow for long, while servers are silent."""
        if self._is_behind:
            self._is_behind = False
            self._drawn = time.monotonic()
            self._draw()

    def end(self, source: int) -> None:
        """Draw no more of the source."""
        self._stages.pop(source, None)
        self.clear()

    def clear(self) -> None:
        """Make room for a line of text, which the picture comes back below."""
        self._display.show("")
        self._drawn = 0.0
        self._is_behind = bool(self._stages)

    def _draw(self) -> None:
        if not self._display.is_visible:
            return
        from rich.text import Text

        lines = [
            self._line(number, self._stages[number])
            for number in self._names
            if number in self._stages
        ]
        self._display.show(Text("\n").join(lines[: self._display.height - 1]))

    def _line(self, source: int, stage: Stage) -> Text:
        from rich.text import Text

        text = Text(no_wrap=True, overflow="ellipsis")
        name = console.safe(self._names[source])
        name = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"
        text.append(f"{name:{_NAME_WIDTH}}  ", "bold")
        text.append_text(stage_text(stage))
        if title := self._titles.get(source):
            text.append(f"  {console.safe(title)}", "dim")
        text.truncate(self._display.width, overflow="ellipsis")
        return text
