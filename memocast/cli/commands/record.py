"""`record`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memocast.audio import portaudio_check
from memocast.cli import option_values, signals
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.share_link import ensure_seeder, shared_link
from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.cli.terminal.record_view import RecordView
from memocast.errors import MemocastError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.audio.recorder import Recorder
    from memocast.cli.terminal.record_view import RecordView
    from memocast.formats.channel import Channel
    from memocast.formats.memo import Memo
    from memocast.library.recording import Recorded, Recording

_POLL_SECONDS = 0.05
_BLIND_POLL_SECONDS = 0.2
"""When nothing is drawn. On a busy machine each poll takes time from the encoder."""


def record(
    context: typer.Context,
    title: Annotated[
        str | None, typer.Argument(help="The memo's title; default: date and time.")
    ] = None,
    description: Annotated[
        str, typer.Option("--description", "-d", help="A description to send along with it.")
    ] = "",
    duration: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop after this long: 90, 90s or 1m30s.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Microphone number or name; see 'devices'.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="opus|flac|wav", help="The audio format.")
    ] = None,
    share: Annotated[bool, typer.Option("--share", help="Also share it; print the link.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Also publish it to your channel.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Record from the microphone and print the new memo's id.

    Space pauses. Enter, q or Ctrl-C stops and keeps the recording. Esc discards
    it, after asking.

    Example: memocast record --duration 1m30s "Ideas for Monday"
    """
    portaudio_check.begin()  # it takes a while, and so does the rest
    current = app_context(context)
    limit = None if duration is None else option_values.seconds(duration)
    # Fail before anybody speaks.
    channel = current.library.channels.own() if publish else None
    from memocast.library.recording import Recording  # slow, so while there is nothing to lose yet

    recording = Recording(
        current.library,
        title,
        description,
        format_=format_ or current.settings.format,
        device=device or current.settings.device,
        limit=limit,
    )
    kept = _record(recording, signals.interrupt_once())
    memo = kept.memo
    if not json:
        console.data(memo.id)
    link = None
    if channel and not kept.failure:
        link = _publish(current, channel, memo)
    if share and not kept.failure:
        _, link = shared_link(current, memo)
    memo = current.library.get(memo.id)
    if link and not json:
        console.data(link)
    if json:
        console.document({**memo.to_json(), "link": link} if share or publish else memo.to_json())
    if kept.failure:
        raise kept.failure
    if share:
        ensure_seeder(current, [memo])


def _publish(current: AppContext, channel: Channel, memo: Memo) -> str:
    """Publish the memo and return its link."""
    from memocast.cli.publish_to_channel import publish_memos

    attempts = console.Attempts()
    published = publish_memos(current, channel, [memo], attempts, seed=True)
    attempts.finish()
    return str(published[0]["link"])


def _record(recording: Recording, ignore_signals: Callable[[], None]) -> Recorded:
    """Record until a key or a signal stops it, then keep the recording."""
    recorder = recording.start()
    failure: MemocastError | None = None
    discarded = False
    try:
        discarded = _until_the_end(recorder, ignore_signals)
    except KeyboardInterrupt:
        pass
    except MemocastError as error:
        failure = error
    finally:  # no other failure may lose the recording
        captured = recording.stop()
    if discarded:
        recording.discard()
        raise console.Discarded("discarded")
    kept = recording.keep(captured, failure)
    _tell(kept)
    return kept


def _tell(kept: Recorded) -> None:
    memo = kept.memo
    if kept.is_silent:
        console.note("the recording is silent; choose another microphone: memocast devices")
    if kept.lost:
        console.note(
            f"{kept.lost / 1000:.1f} s of sound was lost: the machine was too busy, or it slept"
        )
    console.note(
        f"kept {console.clock(memo.duration / 1000)} as '{console.safe(memo.title)}'"
        f" ({console.size(memo.size)})"
    )


def _until_the_end(recorder: Recorder, ignore_signals: Callable[[], None]) -> bool:
    """Obey keys until the recording ends; return True if it is to be discarded."""
    from memocast.cli.terminal.keys import keys

    if not console.stderr_is_terminal():
        console.note(f"recording from {console.safe(recorder.source.name)}; Ctrl-C stops and keeps")
    with keys() as read, Display() as display:
        try:
            return _obey_keys(recorder, read, display)
        finally:
            # Before the terminal turns Ctrl-C into a signal again.
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
