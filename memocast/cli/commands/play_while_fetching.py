"""Playing a memo while it is being fetched."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

from memocast.cli.terminal.keys import keys
from memocast.cli.terminal.player_view import draw, obey, until_the_end
from memocast.errors import MemocastError

if TYPE_CHECKING:
    from types import TracebackType

    from rich.text import Text

    from memocast.audio.player import Player
    from memocast.cli.context import AppContext
    from memocast.fetching.growing_file import GrowingFile
    from memocast.fetching.progress import Preview
    from memocast.formats.memo import Memo


class PlayWhileFetching:
    """Plays a memo during its fetch. A failure to play does not stop the fetch."""

    def __init__(self) -> None:
        self._player: Player | None = None
        self._growing: GrowingFile | None = None
        self._failure: MemocastError | None = None
        self._title = ""
        self._peaks = b""
        self._has_stopped = False
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._read = self._undo.enter_context(keys())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.close()
        if kind is not None:
            self._stop()

    def begin(self, growing: GrowingFile, preview: Preview) -> None:
        """Start playing what arrives, if its format can be streamed."""
        from memocast.audio.player import Player
        from memocast.fetching.growing_audio import stream

        self._growing = growing
        self._title, self._peaks = preview.title, preview.peaks
        try:
            self._player = Player(
                lambda start: stream(growing.open, start), (preview.duration or 0) / 1000
            )
            self._player.start()
        except MemocastError as failure:
            self._failure = failure

    def picture(self, width: int) -> Text | None:
        """Obey the key that was pressed; return the player's picture, or None if it is silent."""
        key = self._read(0)
        if self._player is None or self._has_stopped:
            return None
        if key == "q":
            self._stop()
            return None
        obey(self._player, key)
        return draw(self._player, self._title, self._peaks, width)

    def finish(self, current: AppContext, memo: Memo) -> None:
        """Play the fetched memo to its end. Raises MemocastError if it could not be played."""
        from memocast.cli.commands.play import play_memo

        if self._failure:
            raise self._failure
        if self._has_stopped:
            return
        if self._player is None or not self._player.has_begun:
            self._stop()  # a format that can only be played when complete
            play_memo(current, memo, device="")
            return
        try:
            until_the_end(self._player, memo.title, memo.peaks)
        finally:
            self._stop()

    def _stop(self) -> None:
        self._has_stopped = True
        if self._growing:
            self._growing.end()
        if self._player:
            self._player.stop()
