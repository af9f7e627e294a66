"""A real terminal for tests: a shell in a tmux of its own."""

from __future__ import annotations

import re
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, Self

import pytest

from helpers.programs import needs
from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from helpers.memocast_user import Memocast

ID = r"[0-9a-hjkmnp-tv-z]{8}"
WAVEFORM = r"[ ▁▂▃▄▅▆▇█]"
HOSTILE = "[red]markup[/red] \x1b[31mred\x1b[2J\x1b]0;pwned\x07 [/oops]"
SHOWN_HOSTILE = "[red]markup[/red] �[31mred�[2J�]0;pwned� [/oops]"


class Terminal:
    """A shell in a tmux of its own, with one user's environment, as that user would have it."""

    def __init__(self, user: Memocast, *shell: str, columns: int = 80) -> None:
        needs("tmux")
        # A socket's path is at most 108 characters; pytest's folders can be longer.
        self._folder = tempfile.TemporaryDirectory(prefix="mc-tmux-")
        self._tmux = ("tmux", "-u", "-S", f"{self._folder.name}/socket", "-f", "/dev/null")
        self._environment = {**user.environment, "TERM": "xterm-256color"}
        # Named before the first session, so that its shell has it too.
        self._command(
            *("set-option", "-g", "default-terminal", "screen-256color", ";"),
            *("new-session", "-d", "-x", str(columns), "-y", "24", "-c", str(user.home)),
            *("env", "PS1=$ ", *(shell or ("sh",))),
        )

    def __enter__(self) -> Self:
        try:
            self.wait_for_prompt()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._command("kill-server")
        finally:
            self._folder.cleanup()

    def _command(self, *arguments: str) -> str:
        return subprocess.run(
            [*self._tmux, *arguments],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            encoding="utf-8",
        ).stdout

    def key(self, *names: str) -> None:
        """Press keys, by tmux's names for them; several arrive together."""
        self._command("send-keys", *names)

    def write(self, text: str) -> None:
        """Type text."""
        self._command("send-keys", "-l", "--", text)

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self.write(line)
        self.key("Enter")

    def begin(self, command: str) -> None:
        """On an empty screen, type a command whose exit code will be shown."""
        if self.lines() != ["$"]:
            self.type("clear")
            self.wait_for("an empty screen", lambda: self.lines() == ["$"])
        self.type(f'{command}; echo "exit=$?"')

    def end(self) -> list[str]:
        """Wait until that command is over; return all that the screen shows before the prompt."""
        self.wait_for_text(r"^exit=\d+")
        self.wait_for_prompt()
        return self.lines()[:-1]

    def run(self, command: str) -> list[str]:
        """Run a command; return what it left on the screen, its exit code last."""
        self.begin(command)
        return self.end()[1:]

    def screen(self, *, colours: bool = False) -> str:
        """What the terminal shows; with `colours`, with the sequences that make them."""
        return self._command("capture-pane", "-p", *(["-e"] if colours else []))

    def lines(self) -> list[str]:
        """The screen's lines, without the empty ones at the end."""
        return [line.rstrip() for line in self.screen().rstrip().splitlines()]

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first match on the screen; ^ and $ match at every line."""
        return re.search(pattern, self.screen(), re.MULTILINE)

    def wait_for(self, what: str, probe: Callable[[], Any]) -> Any:
        """As `wait_for` elsewhere, but a failure shows the screen."""
        try:
            return wait_for(what, probe)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}; the screen shows:\n{self.screen().rstrip()}")

    def wait_for_text(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows it."""
        found: re.Match[str] = self.wait_for(f"{pattern!r}", lambda: self.find(pattern))
        return found

    def wait_for_prompt(self) -> None:
        """Wait until the shell asks for a command."""
        self.wait_for("the prompt", lambda: (self.lines() or [""])[-1] == "$")

    def property(self, name: str) -> str:
        """One of tmux's variables for the terminal."""
        return self._command("display-message", "-p", f"#{{{name}}}").strip()


def assert_shows(lines: list[str], *patterns: str) -> None:
    """There are exactly these lines, each matched by its pattern in full."""
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), (line, lines)


def assert_usable(terminal: Terminal) -> None:
    """The terminal is as it was before: it has its cursor, shows what is typed and obeys it."""
    assert terminal.property("cursor_flag") == "1"
    assert terminal.property("alternate_on") == "0"
    terminal.type("echo still here")
    terminal.wait_for_text(r"^\$ echo still here\nstill here$")
