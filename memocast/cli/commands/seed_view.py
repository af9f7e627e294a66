"""The output of `seed`: nothing, notes, JSON lines, or a table that changes in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.errors import MemocastError
from memocast.library.seeder_report import Damaged, Listening, SeederReport, Trouble, to_json

if TYPE_CHECKING:
    from memocast.cli.context import AppContext
    from memocast.library.seeder_report import Event


class Quiet:
    """The output without a terminal: only errors, which go to the log."""

    def hear(self, event: Event) -> None:
        """Report an event, if it is an error."""
        if isinstance(event, Damaged):
            console.note(f"memo {event.id} was changed on disk and is not seeded")
        elif isinstance(event, Trouble):
            console.note(f"{event.problem}; restarting")

    def close(self) -> None:
        """Do nothing: the terminal was not touched."""


class Lines(Quiet):
    """Notes on stderr about the events that matter to a person."""

    def __init__(self) -> None:
        self._count = 0

    def hear(self, event: Event) -> None:
        """Print a note about the event, if it matters to a person."""
        super().hear(event)
        if isinstance(event, Listening):
            console.note(f"listening on {event.address}; Ctrl-C stops")
        elif isinstance(event, SeederReport) and event.seeding != self._count:
            self._count = event.seeding
            console.note(f"seeding {console.count(self._count, 'memo')}")


class Events(Quiet):
    """The output of `--json`: one event per line on stdout."""

    def hear(self, event: Event) -> None:
        """Print the event as JSON."""
        if not isinstance(event, SeederReport):
            console.document(to_json(event))


class Screen(Quiet):
    """A table on the terminal that changes in place."""

    def __init__(self, current: AppContext) -> None:
        self._library = current.library
        self._display = Display()
        self._display.__enter__()

    def hear(self, event: Event) -> None:
        """Draw the latest report."""
        if isinstance(event, SeederReport):
            self._display.show(self._picture(event))

    def close(self) -> None:
        """Restore the terminal."""
        self._display.__exit__(None, None, None)

    def _picture(self, report: SeederReport) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        reach = report.reach
        heading = Text(no_wrap=True, overflow="ellipsis")
        heading.append(f"seeding {console.count(report.seeding, 'memo')}", "bold")
        heading.append(f"  {' '.join(reach.listening)}", "dim")
        if report.damaged:
            heading.append(f"  changed on disk: {' '.join(report.damaged)}", "red")
        if report.web and report.web.problem:
            heading.append(f"  {report.web.problem}; restarting", "yellow")
        if report.problem:
            heading.append(f"  {report.problem}; restarting", "red")
        if reach.dht_nodes:
            heading.append(f"  DHT {console.count(reach.dht_nodes, 'node')}", "dim")
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("id", "peers", "rate", "sent", "copies", "title"):
            table.add_column(name, justify="left" if name in ("id", "title") else "right")
        if not report.memos:
            return Group(heading, Text("no requests yet; Ctrl-C stops", "dim"))
        busy = sorted(report.memos.items(), key=lambda item: -item[1].upload_rate)
        for memo_id, uploads in busy[: max(1, self._display.height - 4)]:
            copies = f"{uploads.copies}{' ✓' if uploads.safe else ''}"
            web = f" ({uploads.browsers} web)" if uploads.browsers else ""
            table.add_row(
                Text(memo_id, "bold"),
                f"{uploads.peers}{web}",
                f"{console.size(uploads.upload_rate)}/s",
                console.size(uploads.uploaded),
                Text(copies, "green" if uploads.safe else ""),
                Text(console.safe(self._title(memo_id)), no_wrap=True, overflow="ellipsis"),
            )
        return Group(heading, table, Text("Ctrl-C stops", "dim"))

    def _title(self, memo_id: str) -> str:
        try:
            return self._library.get(memo_id).title
        except MemocastError:
            return ""


def view(current: AppContext, *, json: bool) -> Quiet:
    """Return the output that suits `json` and the terminal."""
    if json:
        return Events()
    return Screen(current) if console.stderr_is_terminal() else Lines()
