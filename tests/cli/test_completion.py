"""Shell completion, asked for as the shells' own scripts ask for it, and in a real shell."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from helpers.full_or_short import scaled
from helpers.memocast_user import Result
from helpers.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

SHELLS = ["bash", "zsh", "fish"]

HOSTILE_TITLES = [
    r"\$(touch pwned)",
    r"\`touch pwned\`",
    r"\\$(touch pwned)",
    r"\\[red]$(touch pwned)[/red]",
    r'"; touch pwned; "',
    r"'; touch pwned; '",
    r"))'; touch pwned; : '((",
    "$(touch pwned) `touch pwned`",
    "[/oops] [red]markup",
    "\x1b[31m\x1b]0;pwned\x07",
]


def complete(user: Memocast, shell: str, line: str) -> Result:
    """Ask for what could follow `line`, as that shell does when Tab is pressed."""
    asked = {
        "_MEMOCAST_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        ["memocast"],
        env={**user.environment, **asked},
        cwd=user.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def offered(user: Memocast, shell: str, line: str) -> list[str]:
    """The words that are offered, without what is said about them."""
    result = complete(user, shell, line)
    assert (result.code, result.err) == (0, "")
    if shell == "zsh":
        return re.findall(r'"([^"]+)":"', result.out)
    return [line.partition("\t")[0] for line in result.lines if line]


@pytest.mark.parametrize("shell", SHELLS)
def test_memos_are_offered_by_id_newest_first_and_as_latest(
    anna: Memocast, flac: Path, shell: str
) -> None:
    first = anna.add(flac, title="Ideas for Monday")
    second = anna.add(flac, title="Überraschung für Ben")
    assert offered(anna, shell, "memocast show ") == [second, first, "latest"]
    assert offered(anna, shell, "memocast show lat") == ["latest"]
    assert offered(anna, shell, f"memocast show {first[:3]}") == [first]
    assert offered(anna, shell, "memocast show zzzzzzzzz") == []
    if shell != "bash":
        said = complete(anna, shell, "memocast show ").out
        assert "Ideas for Monday" in said
        assert "Überraschung für Ben" in said


@pytest.mark.parametrize("command", ["play", "edit", "remove", "export", "share", "seed"])
def test_every_command_that_takes_memos_completes_them(
    anna: Memocast, flac: Path, command: str
) -> None:
    memo = anna.add(flac)
    assert offered(anna, "bash", f"memocast {command} ") == [memo, "latest"]


def test_commands_and_options_are_offered_too(anna: Memocast) -> None:
    assert {"record", "list", "show", "fetch"} <= set(offered(anna, "bash", "memocast "))
    assert offered(anna, "bash", "memocast record --dur") == ["--duration"]


def test_the_library_named_on_the_line_is_the_one_completed_from(
    anna: Memocast, ben: Memocast, flac: Path
) -> None:
    memo = anna.add(flac)
    line = f"memocast --library {anna.library} show "
    assert offered(ben, "bash", line) == [memo, "latest"]


@pytest.mark.parametrize("shell", SHELLS)
def test_without_a_library_nothing_is_offered_created_or_reported(
    anna: Memocast, shell: str
) -> None:
    result = complete(anna, shell, "memocast show ")
    assert result.err == ""
    assert result.out.strip() == ("_files" if shell == "zsh" else "")
    assert list(anna.home.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_a_library_that_cannot_be_used_offers_nothing_and_reports_nothing(
    anna: Memocast, content: bytes
) -> None:
    anna.library.mkdir()
    (anna.library / "library.db").write_bytes(content)
    assert offered(anna, "bash", "memocast show ") == []


def test_a_strangers_title_is_one_harmless_line(anna: Memocast, flac: Path) -> None:
    titles = [*HOSTILE_TITLES, "a long title " * 20]
    memos = [anna.add(flac, title=title) for title in titles]
    for shell in ("zsh", "fish")[: scaled(2, 1)]:
        result = complete(anna, shell, "memocast show ")
        assert (result.code, result.err) == (0, "")
        assert len(result.lines) == len(memos) + 1
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.out)
        assert offered(anna, shell, "memocast show ") == [*reversed(memos), "latest"]


def test_a_strangers_title_runs_no_command_when_zsh_evaluates_it(
    anna: Memocast, flac: Path
) -> None:
    for title in HOSTILE_TITLES:
        anna.add(flac, title=title)
    # What zsh does with the answer: typer's script evaluates it, and `_arguments`
    # evaluates the list between (( and )) again. Quotes mean the same in bash.
    script = """
        _arguments() { local list=${1#*'(('}; eval "found=( ${list%'))'} )"; }
        eval $(env _TYPER_COMPLETE_ARGS='memocast show ' _MEMOCAST_COMPLETE=complete_zsh memocast)
        echo "${#found[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env=anna.environment,
        cwd=anna.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(anna.home.iterdir()) == [anna.library]
    assert (done.stdout, done.stderr) == (f"{len(HOSTILE_TITLES) + 1}\n", "")


@pytest.mark.parametrize(
    "source", ["memocast --show-completion", "_MEMOCAST_COMPLETE=source_bash memocast"]
)
def test_tab_completes_an_id_in_an_interactive_bash(
    anna: Memocast, flac: Path, source: str
) -> None:
    memo = anna.add(flac, title="On the train")
    with Terminal(anna, "bash", "--norc", "--noprofile") as terminal:
        # bash itself says nothing while the script is read.
        terminal.begin(f'eval "$({source})"')
        assert terminal.end()[1:] == ["exit=0"]
        terminal.write(f"memocast show {memo[:3]}")
        terminal.key("Tab")
        terminal.wait_for_text(rf"^\$ memocast show {memo}$")
        terminal.key("Enter")
        terminal.wait_for_text(rf"^╭─ {memo}  On the train ")
