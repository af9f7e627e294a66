"""The picture of a fetch in progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from memocast.bittorrent.download import Progress
    from memocast.fetching.progress import Looking, Preview, Stage


class FetchView:
    """Draws the stage of a fetch; `heard(columns)` draws the player instead, while it plays."""

    def __init__(self, display: Display, heard: Callable[[int], Text | None] | None) -> None:
        self._display = display
        self._heard = heard
        self.bytes_arrived = False
        self._preview: Text | None = None
        self._shown = 0.0
        self._began = time.monotonic()

    def show(self, stage: Stage) -> None:
        """Draw the stage, at most ten times a second."""
        from memocast.bittorrent.download import Progress
        from memocast.fetching import progress

        if isinstance(stage, Progress) and stage.done:
            self.bytes_arrived = True
        if not self._display.is_visible:
            return
        if isinstance(stage, progress.Preview):
            self._preview = self._describe(stage)
        moment = time.monotonic()
        if moment - self._shown < 0.1 and not isinstance(stage, progress.Preview):
            return
        self._shown = moment
        self._display.show(self._picture(stage))

    def _describe(self, stage: Preview) -> Text:
        from rich.text import Text

        from memocast.cli.terminal import waveform

        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(console.safe(stage.title), "bold")
        length = "" if stage.duration is None else f"  {console.clock(stage.duration / 1000)}"
        text.append(f"{length}  {console.size(stage.size)}\n", "dim")
        if stage.peaks:
            text.append(waveform.draw(stage.peaks, self._display.width) + "\n", "green")
        return text

    def _picture(self, stage: Stage) -> Text:
        from rich.text import Text

        from memocast.fetching import progress

        text = self._preview.copy() if self._preview else Text(no_wrap=True, overflow="ellipsis")
        if self._heard and (heard := self._heard(self._display.width)):
            text = heard.append("\n")
        if isinstance(stage, progress.Looking):
            self._look(text, stage)
        else:
            text.append_text(stage_text(stage))
        return text

    def _look(self, text: Text, stage: Looking) -> None:
        waited = console.clock(time.monotonic() - self._began)
        text.append(f"{_looking(stage)}  {waited}  {console.count(stage.peers, 'peer')}\n")
        for url, said in stage.trackers.items():
            text.append(console.safe(f"  tracker {url}: {said}") + "\n", "dim")
        if stage.dht:
            text.append(f"  DHT: {stage.dht_nodes} nodes\n", "dim")
        if stage.lsd:
            text.append("  local network: asked", "dim")


def stage_text(stage: Stage) -> Text:
    """Return one line that says how far the fetch is."""
    from rich.text import Text

    from memocast.bittorrent.download import Progress
    from memocast.fetching import progress

    match stage:
        case progress.Looking():
            return Text(_looking(stage))
        case progress.Waiting():
            return Text("another memocast is at it; waiting")
        case Progress():
            return _bar(stage)
        case progress.Reading(done=done, total=total):
            so_far = f": {_part(done, total)}" if done else ""
            return Text(f"looking for what is new{so_far}")
        case progress.Loading(done=done, total=total):
            return Text(f"downloading: {_part(done, total)}")
        case progress.Decrypting(size=size):
            return Text(f"decrypting: {console.size(size)}")
        case progress.Encrypting(size=size):
            return Text(f"encrypting: {console.size(size)}")
        case progress.Checking(seconds=seconds):
            return Text(f"checking the audio: {console.clock(seconds)}")
    return Text()


def _looking(stage: Looking) -> str:
    return "asking for the description" if stage.peers else "looking for peers"


def _part(done: int, total: int) -> str:
    return console.size(done) + (f" of {console.size(total)}" if total else "")


def _bar(stage: Progress) -> Text:
    from rich.text import Text

    text = Text()
    width = 24
    filled = round(width * stage.done / max(stage.total, 1))
    text.append("━" * filled, "green")
    text.append("─" * (width - filled), "dim")
    percent = 100 * stage.done // max(stage.total, 1)
    text.append(f" {percent:3}%  {console.size(stage.done)}  {console.size(stage.rate)}/s")
    text.append(f"  {console.count(stage.peers, 'peer')}")
    if stage.rate > 0:
        text.append(f"  {console.clock((stage.total - stage.done) / stage.rate)} left")
    return text
