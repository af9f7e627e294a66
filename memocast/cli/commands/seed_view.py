"""What a seeder shows of itself: nothing, notes, JSON lines, or a table that changes in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memocast.cli.terminal import console
from memocast.cli.terminal.display import Display
from memocast.errors import MemocastError

if TYPE_CHECKING:
    from memocast.cli.context import AppContext


class Quiet:
    """A seeder without a terminal: errors go to the log, and that is all."""

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        """Something happened; the events are those of `seed --json`, and `report`."""
        if event == "damaged":
            console.note(f"memo {facts['id']} was changed on disk and is not seeded")
        elif event == "trouble":
            console.note(f"{facts['problem']}; starting again")

    def close(self) -> None:
        """Nothing to put back."""


class Lines(Quiet):
    """Notes on stderr for what matters to a person."""

    def __init__(self) -> None:
        self._count = 0

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        """Say it where it matters to a person."""
        super().hear(event, facts)
        if event == "listening":
            console.note(f"listening on {facts['address']}; Ctrl-C ends")
        elif event == "report" and facts["seeding"] != self._count:
            self._count = facts["seeding"]
            console.note(f"seeding {console.count(self._count, 'memo')}")


class Events(Quiet):
    """`--json`: an event a line on stdout."""

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        """Print it."""
        if event != "report":
            console.document({"event": event, **facts})


class Screen(Quiet):
    """A table on the terminal that changes in place."""

    def __init__(self, current: AppContext) -> None:
        self._library = current.library
        self._display = Display()
        self._display.__enter__()

    def hear(self, event: str, facts: dict[str, Any]) -> None:
        """Draw the latest report."""
        if event == "report":
            self._display.show(self._picture(facts))

    def close(self) -> None:
        """Give the terminal back."""
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
        web = report["web"]
        if web and web["problem"]:
            heading.append(f"  {web['problem']}; starting again", "yellow")
        if report["problem"]:
            heading.append(f"  {report['problem']}; starting again", "red")
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
            web = f" ({facts['browsers']} web)" if facts["browsers"] else ""
            table.add_row(
                Text(memo_id, "bold"),
                f"{facts['peers']}{web}",
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


def view(current: AppContext, *, json: bool) -> Quiet:
    """What fits the terminal, or the lack of one."""
    if json:
        return Events()
    return Screen(current) if console.stderr_is_terminal() else Lines()
