"""Generate docs/cli.md from the commands; with --check, only report whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from memocast.cli import app

TARGET = Path(__file__).with_name("cli.md")

HEAD = """# Commands

This page is generated from the commands by `docs/make_cli.py`.

    memocast [--library DIR] COMMAND …

A MEMO is an id, any unique prefix of one, or `latest` for the last memo added.
Data goes to standard output and everything else to standard error;
`docs/formats.md` describes the data. Exit codes:

| code | meaning |
|---|---|
| 0 | success |
| 1 | any other failure |
| 2 | usage: a bad option, setting or file name |
| 3 | no such memo, or the prefix matches several |
| 4 | no microphone or speaker |
| 5 | not a link |
| 6 | the swarm gave no answer in time |
| 7 | refused: not audio, too large, corrupted |
| 8 | the library cannot be used |
| 130 | interrupted (Ctrl-C ends `record` and `seed` with 0) |

With several arguments, all are tried, and the exit code is that of the first failure.
"""


def reference() -> str:
    """Return the whole page."""
    group: Any = typer.main.get_command(app)
    parts = [HEAD, "## memocast\n", _options(group)]
    for name, command in group.commands.items():
        parts += _described(name, command)
    return "\n".join(part for part in parts if part)


def _described(name: str, command: Any) -> list[str]:
    """Return the section of a command, and of each subcommand."""
    parts = [f"## memocast {name}\n"]
    members = getattr(command, "commands", {})
    if not members:
        parts.append(f"    {_usage(name, command)}\n")
    parts.append(_text(command.help))
    if not members:
        parts.append(_options(command))
    for member, part in members.items():
        parts += _described(f"{name} {member}", part)
    return parts


def _usage(name: str, command: Any) -> str:
    arguments = [
        _argument(parameter)
        for parameter in command.params
        if parameter.param_type_name == "argument"
    ]
    return " ".join(["memocast", name, *arguments, "[OPTIONS]"])


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]")
    return name if parameter.required else f"[{name}]"


def _text(help_: str) -> str:
    paragraphs = [" ".join(part.split()) for part in help_.strip().split("\n\n")]
    lines = []
    for paragraph in paragraphs:
        if paragraph.startswith("Example: "):
            lines.append(f"Example:\n\n    {paragraph.removeprefix('Example: ')}\n")
        else:
            lines.append(f"{paragraph}\n")
    return "\n".join(lines)


def _options(command: Any) -> str:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or not getattr(parameter, "help", None):
            continue
        if parameter.param_type_name == "argument":
            name = f"`{_argument(parameter).strip('[]')}`"
        else:
            value = "" if parameter.is_flag else f" {parameter.metavar or 'TEXT'}"
            name = ", ".join(f"`{option}`" for option in parameter.opts) + (
                f" `{value.strip()}`" if value else ""
            )
        rows.append(f"| {name.replace('|', chr(92) + '|')} | {parameter.help} |")
    return "\n".join(["| | |", "|---|---|", *rows, ""]) if rows else ""


def main() -> int:
    """Write the page, or check it."""
    wanted = reference()
    if "--check" not in sys.argv:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write("docs/cli.md is not current; run: python docs/make_cli.py\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
