"""The commands, each imported when it is first needed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click.core import Command, Context
    from typer._click.formatting import HelpFormatter

HOMES = {
    "record": "record:record",
    "devices": "devices:devices",
    "add": "memos:add",
    "list": "memos:list_",
    "show": "memos:show",
    "edit": "memos:edit",
    "remove": "memos:remove",
    "export": "export:export",
    "play": "play:play",
    "share": "share:app",
    "unshare": "share:unshare",
    "status": "status:status",
    "seed": "seed:seed",
    "fetch": "fetch:fetch",
    "identity": "identity:identity",
    "page": "page:page",
    "channel": "channel:app",
    "follow": "follow:follow",
    "unfollow": "follow:unfollow",
    "following": "follow:following",
    "sync": "sync:sync",
    "pair": "pair:pair",
    "doctor": "doctor:doctor",
}
"""For each command, in the order of the help: its module in `cli/commands` and its function
or typer app."""


class Commands(TyperGroup):
    """Creates each command when it is first needed: the one that runs, or all for `--help`.

    Creating all of them would cost every run 30 ms.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _MadeWhenAskedFor()

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002
        """List each command with the first paragraph of its help, which click would shorten."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, " ".join((command.help or "").partition("\n\n")[0].split()))
                    for name, command in self.commands.items()
                    if not command.hidden
                ]
            )


class _MadeWhenAskedFor(MutableMapping[str, "Command"]):
    def __init__(self) -> None:
        self._made: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._made:
            self._made[name] = _make(name, HOMES[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Command) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)

    def __contains__(self, name: object) -> bool:
        return name in HOMES


def _make(name: str, home: str) -> Command:
    module, _, attribute = home.partition(":")
    found = getattr(importlib.import_module(f"memocast.cli.commands.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
        found.command(name)(function)
    return typer.main.get_command(found)
