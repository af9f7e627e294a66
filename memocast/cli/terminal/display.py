"""A picture on stderr that changes in place and disappears at the end."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.keys import unseen

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import RenderableType

MAX_WIDTH = 80


class Display:
    """Draws a picture if stderr is a terminal, and nothing otherwise.

    A terminal can close at any moment; the command must not fail because of that.
    """

    def __init__(self) -> None:
        self.is_visible = console.stderr_is_terminal() and not _in_background()

    def __enter__(self) -> Self:
        if self.is_visible:
            from rich.live import Live

            self._live = Live(
                "",
                console=console.screen(stderr=True),
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._undo = contextlib.ExitStack()
            self._undo.enter_context(unseen())
            with contextlib.suppress(OSError, ValueError):
                self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.is_visible:
            with contextlib.suppress(OSError, ValueError):
                self._live.update("", refresh=True)
                self._live.stop()
            self._undo.close()

    @property
    def width(self) -> int:
        """The number of columns to draw in."""
        return min(self._live.console.width, MAX_WIDTH) - 1

    @property
    def height(self) -> int:
        """The number of lines to draw in."""
        return self._live.console.height

    def show(self, picture: RenderableType) -> None:
        """Replace the picture."""
        if self.is_visible:
            with contextlib.suppress(OSError, ValueError):
                self._live.update(picture, refresh=True)


def _in_background() -> bool:
    """Return whether this is a background job, whose drawing would disturb the shell's prompt."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) != os.getpgrp()
    except OSError:
        return False


class Counter:
    """Shows progress on a terminal once something takes over a second."""

    def __init__(self, label: str) -> None:
        self._label = console.safe(label)
        self._began = time.monotonic()
        self._shown = self._began
        self._used = False

    def __call__(self, seconds: float) -> None:
        """Show how many seconds of audio are done."""
        self.tell(console.clock(seconds))

    def tell(self, how_far: str) -> None:
        """Show the progress, given as text."""
        moment = time.monotonic()
        if console.stderr_is_terminal() and moment - self._began > 1 and moment - self._shown > 0.1:
            self._shown = moment
            self._used = True
            self._write(f"\r\x1b[K{self._label}: {how_far}")

    def done(self) -> None:
        """Clear the line."""
        if self._used:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()
