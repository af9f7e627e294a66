"""The documentation: generated where it can be, and checked against the program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
import typer

from helpers.repository import README, ROOT
from memocast import settings
from memocast.cli import app
from memocast.cli.option_values import byte_count, seconds

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast

FORMATS = (ROOT / "docs" / "formats.md").read_text()
GROUP: Any = typer.main.get_command(app)


@pytest.mark.parametrize("script", ["make_cli.py", "make_architecture.py"])
def test_what_is_generated_is_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, f"docs/{script}", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", GROUP.commands)
def test_every_command_has_help_with_one_worked_example_and_a_line_in_the_readme(
    name: str, anna: Memocast
) -> None:
    help_ = anna.run(name, "--help").out
    assert help_.count(f"Example: memocast {name}") == 1
    assert max(len(line) for line in help_.splitlines()) <= 80
    assert re.search(rf"^\| `{name}[ `]", README, re.MULTILINE)
    for parameter in GROUP.commands[name].params:
        if not parameter.hidden:
            assert parameter.help, f"{name} {parameter.name}"


def test_help_reads_well_at_80_columns(anna: Memocast) -> None:
    help_ = anna.with_(COLUMNS="80").run("--help").out
    assert max(len(line) for line in help_.splitlines()) <= 80
    assert all(name in help_ for name in GROUP.commands)


def test_every_example_in_the_help_parses() -> None:
    for name, command in GROUP.commands.items():
        example = re.search(rf"Example: memocast {name} ?(.*)", command.help)
        assert example, name
        # Raises UsageError when an option or argument of the example does not exist.
        command.make_context(name, shlex.split(example[1]))


@pytest.mark.parametrize("field", [field.name for field in fields(settings.Settings)])
def test_every_setting_is_documented(field: str) -> None:
    assert f"`{field}`" in FORMATS


def test_every_third_party_of_the_defaults_is_named_in_the_readme() -> None:
    defaults = settings.Settings()
    for url in (*defaults.trackers, *defaults.dht_bootstrap):
        host = url.rpartition("://")[2].partition(":")[0]
        assert host in README


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_the_readmes_commands_exist_and_can_be_run() -> None:
    for script in (".ci/try", ".ci/check"):
        assert f"```sh\n{script}\n```" in README
        assert (ROOT / script).stat().st_mode & 0o111
        subprocess.run(["sh", "-n", ROOT / script], check=True)


def test_lengths_of_time_and_sizes_as_people_write_them() -> None:
    written = {"90": 90, "90s": 90, "1m30s": 90, "2h": 7200, "1h1m1.5s": 3661.5, "0.5": 0.5}
    assert {text: seconds(text) for text in written} == written
    sizes = {"500": 500, "20MB": 20_000_000, "1GiB": 1 << 30, "3k": 3000, "7 KiB": 7168}
    assert {text: byte_count(text) for text in sizes} == sizes
