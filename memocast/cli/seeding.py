"""`seed`."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memocast.cli import console
from memocast.cli.display import Display
from memocast.cli.state import JsonOption, OptionalMemosArgument, State, state
from memocast.errors import MemocastError, UsageError

if TYPE_CHECKING:
    from memocast.presence import Presence

_TAKE_OVER_SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Add this family's commands to the application."""
    app.command()(seed)


def seed(
    context: typer.Context,
    memo: OptionalMemosArgument = None,
    background: Annotated[
        bool, typer.Option("--background", help="Start it in the background and return.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the running seeder.")] = False,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Keep shared and fetched memos available to others, until Ctrl-C; or only those named.

    It follows the library: what you share or remove elsewhere takes effect within 2 s.

    Example: memocast seed --background
    """
    from memocast.presence import Presence

    current = state(context)
    if (background or stop) and (memo or (background and stop)):
        raise UsageError("--background and --stop take no memos", hint="memocast seed --help")
    attempts = console.Attempts()
    only = attempts.each(memo or [], lambda reference: _shared_id(current, reference))
    attempts.finish()
    library = current.library  # created or refused before anything is started
    presence = Presence(library.root)
    if stop:
        stopped = presence.stop()
        console.note("the seeder has stopped" if stopped else "no seeder was running")
    elif background:
        _start_in_background(current, presence)
    elif detached:
        if _claim_unless_served(presence):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            _run(current, presence, only, _Quiet())
    else:
        _take_over(presence)
        _run(current, presence, only, _display(current, json=json))


def _shared_id(current: State, reference: str) -> str:
    found = current.library.get(reference)
    if current.library.shares.torrent(found) is None:
        raise MemocastError(
            f"memo {found.id} was never shared", hint=f"share it: memocast share {found.id}"
        )
    return found.id


def _start_in_background(current: State, presence: Presence) -> None:
    from memocast.background import start_seeder

    report = presence.report()
    if report:
        console.note(f"the seeder runs already (pid {report['pid']})")
        return
    pid = start_seeder(current.root)
    console.note(f"the seeder runs in the background (pid {pid}); memocast seed --stop ends it")


def _claim_unless_served(presence: Presence) -> bool:
    """Become the seeder, perhaps after one that is on its way out; False when one serves."""
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    while not presence.claim():
        if presence.report() or time.monotonic() > deadline:
            return False
    return True


def _take_over(presence: Presence) -> None:
    deadline = time.monotonic() + _TAKE_OVER_SECONDS
    while not presence.claim():
        if time.monotonic() > deadline:
            raise MemocastError("another seeder keeps starting", hint="memocast seed --stop")
        if presence.stop():
            console.note("the seeder that was running has stopped; this one takes over")


class _Quiet:
    """A seeder without a terminal: errors go to the log, and that is all."""

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        if event == "damaged":
            console.note(f"memo {facts['id']} was changed on disk and is not seeded")

    def close(self) -> None:
        """Nothing to put back."""


class _Lines(_Quiet):
    """Notes on stderr for what matters to a person."""

    def __init__(self) -> None:
        self._count = 0

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        super().hear(event, facts)
        if event == "listening":
            console.note(f"listening on {facts['address']}; Ctrl-C ends")
        elif event == "report" and facts["seeding"] != self._count:
            self._count = facts["seeding"]
            console.note(f"seeding {console.count(self._count, 'memo')}")


class _Events(_Quiet):
    """`--json`: an event a line on stdout."""

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        if event != "report":
            console.document({"event": event, **facts})


class _Screen(_Quiet):
    """A table on the terminal that changes in place."""

    def __init__(self, current: State) -> None:
        self._library = current.library
        self._display = Display()
        self._display.__enter__()

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        if event == "report":
            self._display.show(self._picture(facts))

    def close(self) -> None:
        self._display.__exit__(None, None, None)

    def _picture(self, report: dict[str, Any]) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        reach = report["reach"]
        heading = Text(no_wrap=True, overflow="ellipsis")
        heading.append(f"seeding {console.count(report['seeding'], 'memo')}", "bold")
        heading.append(f"  {' '.join(reach['listening'])}", "dim")
        if report["damaged"]:
            heading.append(f"  changed on disk: {' '.join(report['damaged'])}", "red")
        if reach["dht_nodes"]:
            heading.append(f"  DHT {console.count(reach['dht_nodes'], 'node')}", "dim")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("id", "peers", "rate", "sent", "copies", "title"):
            table.add_column(name, justify="left" if name in ("id", "title") else "right")
        if not report["memos"]:
            return Group(heading, Text("nobody has asked for one yet; Ctrl-C ends", "dim"))
        busy = sorted(report["memos"].items(), key=lambda item: -item[1]["upload_rate"])
        for memo_id, facts in busy[: max(1, self._display.height - 4)]:
            copies = f"{facts['copies']}{' ✓' if facts['safe'] else ''}"
            table.add_row(
                Text(memo_id, "bold"),
                str(facts["peers"]),
                f"{console.size(facts['upload_rate'])}/s",
                console.size(facts["uploaded"]),
                Text(copies, "green" if facts["safe"] else ""),
                Text(console.safe(self._title(memo_id)), no_wrap=True, overflow="ellipsis"),
            )
        return Group(heading, table, Text("Ctrl-C ends", "dim"))

    def _title(self, memo_id: str) -> str:
        try:
            return self._library.get(memo_id).title
        except MemocastError:
            return ""


def _display(current: State, *, json: bool) -> _Quiet:
    if json:
        return _Events()
    return _Screen(current) if console.stderr_is_terminal() else _Lines()


def _run(current: State, presence: Presence, only: list[str], display: _Quiet) -> None:
    from memocast.seeder import Seeder

    ending: list[int] = []
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, lambda received, _frame: ending.append(received))
    try:
        seeder = Seeder(current.library, current.settings, presence, display.hear, only)
        seeder.run(lambda: bool(ending))
    finally:
        display.close()
        presence.release()
