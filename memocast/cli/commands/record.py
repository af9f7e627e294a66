"""`record`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import option_values, signals
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.share_link import ensure_seeder, shared_link
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.cli.terminal.record_view import RecordView
from memocast.errors import Interrupted, LibraryError, MemocastError, NoSound, UsageError
from memocast.formats.memo import checked_description, checked_title, title_from_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memocast.audio.recorder import Captured, Recorder
    from memocast.formats.channel import Channel
    from memocast.formats.memo import Memo
    from memocast.library.draft import Draft
    from memocast.library.staging import StagingEntry

_POLL_SECONDS = 0.05
_BLIND_POLL_SECONDS = 0.2
"""Where nothing is drawn. Each look takes time from the encoder on a busy machine."""

_QUIET = 0
"""A peak of no sound at all: a microphone that is muted or not the one that was meant."""


def record(
    context: typer.Context,
    title: Annotated[
        str | None, typer.Argument(help="What to call it; else its date and time.")
    ] = None,
    description: Annotated[
        str, typer.Option("--description", "-d", help="A text that travels with it.")
    ] = "",
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="End by itself after 90, 90s or 1m30s.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="A microphone's number or name; see 'devices'.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="opus|flac|wav", help="How to keep it.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also print its link.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Also publish it to your channel.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Record from the microphone; print the new memo's id.

    Space pauses. Enter, q or Ctrl-C ends and keeps. Esc discards, after asking.

    Example: memocast record --duration 1m30s "Ideas for Monday"
    """
    current = app_context(context)
    limit = None if duration is None else option_values.seconds(duration)
    chosen = _format(format_ or current.settings.format)
    checked_description(description)
    channel = _own_channel(current) if publish else None  # told before anybody speaks
    draft = current.library.draft("untitled", description, chosen, "recorded")
    title = checked_title(title) if title is not None else title_from_time(draft.created)
    draft = replace(draft, title=title)

    # What takes time to import is here before there is anything to lose.
    from memocast.audio import microphone, recorder  # noqa: F401

    with current.library.translated():
        entry = current.library.staging.create("recording")
    ignore_signals = signals.interrupt_once()
    memo, failure = _record(
        current, entry, draft, device or current.settings.device, limit, ignore_signals
    )
    if not json:
        console.data(memo.id)
    link = None
    if channel and failure is None:
        link = _published(current, channel, memo)
    if share and failure is None:
        _, link = shared_link(current, memo)
    memo = current.library.get(memo.id)
    if link and not json:
        console.data(link)
    if json:
        console.document({**memo.to_json(), "link": link} if share or publish else memo.to_json())
    if failure:
        raise failure
    if share:
        ensure_seeder(current, [memo])


def _own_channel(current: AppContext) -> Channel:
    from memocast.cli.publish_to_channel import own_channel

    return own_channel(current, None)


def _published(current: AppContext, channel: Channel, memo: Memo) -> str:
    """Publish the memo; its link."""
    from memocast.cli.publish_to_channel import publish_memos

    attempts = console.Attempts()
    published = publish_memos(current, channel, [memo], attempts, seed=True)
    attempts.finish()
    return str(published[0]["link"])


def _format(name: str) -> str:
    from memocast.settings import FORMATS

    if name not in FORMATS:
        raise UsageError(f"there is no format '{name}'", hint=f"use one of: {', '.join(FORMATS)}")
    return name


def _record(
    current: AppContext,
    entry: StagingEntry,
    draft: Draft,
    device: str,
    limit: float | None,
    ignore_signals: Callable[[], None],
) -> tuple[Memo, MemocastError | None]:
    """Record into the entry and keep it; also return what ended the recording, if it failed."""
    from memocast.audio.microphone import Microphone
    from memocast.audio.recorder import Recorder

    path = entry.audio(draft.format)
    try:
        with current.library.translated():
            entry.note(draft.to_facts())
            entry.set_room_aside()
            recorder = Recorder(path, draft.format, Microphone(device), limit)
        recorder.start()
    except BaseException:
        entry.discard()
        raise
    failure: MemocastError | None = None
    discarded = False
    try:
        discarded = _until_the_end(recorder, ignore_signals)
    except KeyboardInterrupt:
        pass
    except MemocastError as error:
        failure = error
    finally:  # whatever else goes wrong, what was said is not lost
        captured = recorder.stop()
    try:
        recorder.check_writing()  # the disk can fill up with what was still to be written
    except LibraryError as error:
        failure = failure or error
    if isinstance(failure, LibraryError):
        captured = _salvaged(current, path, draft, captured)
    if discarded:
        entry.discard()
        raise Interrupted("the recording was discarded")
    if not captured.duration:
        entry.discard()
        raise failure or Interrupted("it ended before a sound arrived; nothing was kept")
    memo = current.library.keep(entry, draft, captured.duration, captured.peaks, lost=captured.lost)
    _tell(memo, captured)
    return memo, failure


def _salvaged(current: AppContext, path: Path, draft: Draft, captured: Captured) -> Captured:
    """The part of the recording that reached the disk before writing failed, made whole."""
    from memocast.audio import recording_file
    from memocast.audio.examine import examine

    with current.library.translated():
        try:
            recording_file.salvage(path, draft.format)
            sound = examine(path, limit=math.inf)
        except NoSound:
            return replace(captured, duration=0)
    return replace(captured, duration=sound.duration, peaks=sound.peaks)


def _tell(memo: Memo, captured: Captured) -> None:
    if max(captured.peaks, default=0) <= _QUIET:
        console.note("nothing was heard; choose another microphone: memocast devices")
    if captured.lost:
        console.note(
            f"{captured.lost / 1000:.1f} s of sound did not arrive: the machine was too busy,"
            " or it slept"
        )
    console.note(
        f"kept {console.clock(memo.duration / 1000)} as '{console.safe(memo.title)}'"
        f" ({console.size(memo.size)})"
    )


def _until_the_end(recorder: Recorder, ignore_signals: Callable[[], None]) -> bool:
    """Obey keys until the recording ends; True when it is to be discarded."""
    from memocast.cli.terminal.keys import keys

    if not console.stderr_is_terminal():
        console.note(f"recording from {console.safe(recorder.source.name)}; Ctrl-C ends and keeps")
    with keys() as read, Display() as display:
        try:
            return _obey_keys(recorder, read, display)
        finally:
            # Before the terminal makes signals of Ctrl-C again.
            ignore_signals()


def _obey_keys(recorder: Recorder, read: Callable[[float], str], display: Display) -> bool:
    meter = RecordView(recorder)
    asking = False
    seconds = _POLL_SECONDS if display.is_visible else _BLIND_POLL_SECONDS
    while not recorder.is_finished():
        key = read(seconds)
        if asking and key:
            if key in ("y", "Y"):
                return True
            asking = False
        elif key == "space":
            recorder.resume() if recorder.paused else recorder.pause()
        elif key in ("enter", "q"):
            return False
        elif key == "escape":
            asking = True
        if display.is_visible:
            display.show(meter.picture(asking=asking))
    return False
