"""The `seed` command."""

from __future__ import annotations

import contextlib
import select
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import signals
from memocast.cli.commands import seed_view
from memocast.cli.context import AppContext, JsonOption, OptionalMemosArgument, app_context
from memocast.cli.terminal import console
from memocast.errors import MemocastError, UsageError
from memocast.processes import process_limits

if TYPE_CHECKING:
    from memocast.library.seeder_lock import SeederLock
    from memocast.library.seeder_report import Event

_TAKE_OVER_SECONDS = 30.0


def seed(
    context: typer.Context,
    memo: OptionalMemosArgument = None,
    background: Annotated[
        bool, typer.Option("--background", help="Start the seeder in the background and return.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the running seeder.")] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Install as a service that starts at boot.")
    ] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove that service.")] = False,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
    last_stop: Annotated[int, typer.Option("--last-stop", hidden=True)] = 0,
    session: Annotated[bool, typer.Option("--session", hidden=True)] = False,
    web: Annotated[bool, typer.Option("--web", hidden=True)] = False,
    lan: Annotated[bool, typer.Option("--lan", hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Seed shared and fetched memos, or only those named, until Ctrl-C.

    What you share or remove in the meantime takes effect within 2 s.

    Example: memocast seed --background
    """
    from memocast.library.seeder_lock import SeederLock
    from memocast.seeding import service

    current = app_context(context, "read" if stop or uninstall else "change")
    if background + stop + install + uninstall + bool(memo) > 1:
        raise UsageError(
            "choose only one of --background, --stop, --install, --uninstall and memos",
            hint="memocast seed --help",
        )
    if session:
        _run_session(current, memo or [], web=web, lan=lan)
        return
    attempts = console.Attempts()
    only = attempts.each(memo or [], lambda reference: _shared_id(current, reference))
    attempts.finish()
    library = current.library  # created or refused before anything is started
    seeder_lock = SeederLock(library.root)
    if install:
        signals.interrupt_on_end()
        service.install(library.root, console.note)
    elif uninstall:
        service.uninstall(library.root, console.note)
    elif stop:
        stopped = seeder_lock.stop()
        console.note("the seeder has stopped" if stopped else "no seeder was running")
    elif background:
        _start_in_background(current, seeder_lock)
    elif detached:
        if _claim_unless_served(seeder_lock, last_stop):
            signals.outlive_terminal()
            _run(current, seeder_lock, only, seed_view.Quiet())
    else:
        _take_over(seeder_lock)
        _run(current, seeder_lock, only, seed_view.view(current, json=json))


def _shared_id(current: AppContext, reference: str) -> str:
    found = current.library.get(reference)
    if not current.library.shares.of(found):
        raise MemocastError(
            f"memo {found.id} was never shared", hint=f"share it: memocast share {found.id}"
        )
    return found.id


def _start_in_background(current: AppContext, seeder_lock: SeederLock) -> None:
    from memocast.seeding.background import start_seeder

    report = seeder_lock.report()
    if report:
        console.note(f"the seeder is already running (pid {report.pid})")
        return
    pid = start_seeder(current.root)
    console.note(
        f"started the seeder in the background (pid {pid}); stop it with: memocast seed --stop"
    )


def _claim_unless_served(seeder_lock: SeederLock, last_stop: int) -> bool:
    """Claim the lock, waiting for a seeder that is stopping; return False if another is running.

    Returns False, too, if seeders were stopped since `last_stop`.
    """
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    while not seeder_lock.claim():
        if seeder_lock.report() or time.monotonic() > deadline:
            return False
    if seeder_lock.last_stop() == last_stop:
        return True
    seeder_lock.release()
    return False


def _take_over(seeder_lock: SeederLock) -> None:
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    last_stop = seeder_lock.last_stop()
    while not seeder_lock.claim():
        if time.monotonic() > deadline:
            raise MemocastError("another seeder keeps starting", hint="memocast seed --stop")
        if seeder_lock.stop():
            last_stop = seeder_lock.last_stop()
            console.note("the running seeder has stopped; this one takes over")
    if seeder_lock.last_stop() != last_stop:
        seeder_lock.release()
        raise MemocastError("seeders were stopped meanwhile", hint="memocast seed")


def _run(
    current: AppContext, seeder_lock: SeederLock, only: list[str], display: seed_view.Quiet
) -> None:
    from memocast.seeding.supervisor import Supervisor

    is_ending = signals.noted()
    try:
        interval = current.settings.sync_interval
        supervisor = Supervisor(current.root, seeder_lock, display.hear, only, interval)
        supervisor.run(is_ending)
    finally:
        display.close()
        seeder_lock.release()


def _run_session(current: AppContext, only: list[str], *, web: bool, lan: bool) -> None:
    """Run a worker process, which uses libtorrent; its stdin closes when the supervisor ends."""
    from memocast.library.seeder_report import Failed, to_json
    from memocast.seeding.classic_worker import ClassicWorker
    from memocast.seeding.webrtc_worker import WebRtcWorker

    was_asked_to_end = signals.noted(only_sigterm=True)

    def is_ending() -> bool:
        return was_asked_to_end() or bool(select.select([sys.stdin], [], [], 0)[0])

    def tell(event: Event) -> None:
        # The supervisor may be gone; the worker then ends by itself and saves its totals.
        with contextlib.suppress(BrokenPipeError):
            console.document(to_json(event))

    try:
        library, settings = current.library, current.settings
        worker = (
            WebRtcWorker(library, settings, tell, only)
            if web
            else ClassicWorker(library, settings, tell, only, lan=lan)
        )
        worker.run(is_ending)
    except MemocastError as error:
        tell(Failed(error.message, process_limits.hint_for(error), error.exit_code))
        raise
    except Exception as error:
        if found := process_limits.cause(error):
            tell(Failed(*found, MemocastError.exit_code))
        raise
