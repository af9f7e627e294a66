"""The `doctor` command."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memocast.doctor.finding import Finding


def doctor(
    context: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild a damaged library without deleting anything.")
    ] = False,
    back_up: Annotated[bool, typer.Option("--back-up", hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Check for problems with recording and sharing; exit with 1 if there are any.

    With --repair, check only the library: move a damaged database aside, restore
    its last copy, and turn audio files that it does not list into memos again.

    Example: memocast doctor
    """
    from memocast.doctor import checks as examination

    current = app_context(context, "change" if repair else "read")
    if back_up:
        from memocast.library.library import Library

        # Not current.library, which starts another copy when it is closed.
        with contextlib.closing(Library(current.root)) as library:
            library.back_up()
        return
    findings: list[Finding] = []
    if repair:
        found = _repaired(current)
    else:
        if console.stderr_is_terminal():
            console.note("checking; the network can take up to 10 s to answer")
        found = examination.examine(lambda: current.library, current.settings)
    for finding in found:
        findings.append(finding)
        if not json:
            _print(finding)
    if json:
        console.document(
            [
                {
                    "check": finding.check,
                    "ok": finding.ok,
                    "detail": finding.detail,
                    "fix": finding.fix,
                }
                for finding in findings
            ]
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _repaired(current: AppContext) -> Iterator[Finding]:
    from memocast.doctor.checks import examine_library
    from memocast.library.repair import repair

    repair(current.root, lambda text: console.note(console.safe(text)))
    return examine_library(current.library)


def _print(finding: Finding) -> None:
    sign = "ok" if finding.ok else "problem"
    line = f"{sign}\t{console.safe(finding.check)}\t{console.safe(finding.detail)}"
    if console.stdout_is_terminal():
        from rich.padding import Padding
        from rich.text import Text

        text = Text(f"{'✓' if finding.ok else '✗'} ", "green" if finding.ok else "red")
        text.append(f"{console.safe(finding.check)}: ", "bold")
        text.append(console.safe(finding.detail), "")
        screen = console.screen()
        screen.print(text)
        if finding.fix:
            screen.print(Padding(Text(console.safe(finding.fix), "yellow"), (0, 0, 0, 4)))
    else:
        console.data(f"{line}\t{console.safe(finding.fix)}".rstrip("\t"))
