"""`memocast` as somebody runs it: with a home, a library and an environment of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.private_settings import PRIVATE
from helpers.processes import processes_of
from helpers.spawned_commands import spawner
from helpers.waiting import wait_for
from memocast.library.seeder_lock import SeederLock
from memocast.library.seeder_report import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from helpers.network_namespaces import Host


_OF_COVERAGE = ("COVERAGE_PROCESS_START", "MUTATION_TEST")
"""What tests/mutation has each process of memocast's see."""

LEFT = 20.0
"""Seconds in which what still works in the background must have ended."""


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Memocast:
    """`memocast` in processes of its own, with one library and an environment of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.host: Host | None = None  # a machine of the test's own, or this one
        self.library = home / "library"
        home.mkdir(parents=True, exist_ok=True)
        # Coverage of locale and colours: what a script sees, not what this terminal has.
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MEMOCAST_LIBRARY": str(self.library),
            **PRIVATE,
            **{name: os.environ[name] for name in _OF_COVERAGE if name in os.environ},
            **environment,
        }

    def with_(self, **environment: str) -> Memocast:
        """The same library under other settings."""
        twin = Memocast(self.home)
        twin.host = self.host
        twin.environment = {**self.environment, **environment}
        return twin

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command and return its process."""
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environment,
            "cwd": self.home,
            **options,
        }
        with self.host.entered() if self.host else contextlib.nullcontext():
            return subprocess.Popen([sys.executable, "-m", "memocast", *arguments], **options)

    def run(self, *arguments: str, expect: int | None = 0, stdin: str | bytes = b"") -> Result:
        """Run a command to its end; it must end with the exit code `expect`."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        if _is_for_the_interpreter(self.environment):
            code, out, err = self._run_anew(arguments, given)
        else:
            with self.host.entered() if self.host else contextlib.nullcontext():
                code, out, err = spawner().run(arguments, self.environment, self.home, given, 60)
        result = Result(code, out.decode(errors="replace"), err.decode())
        assert "Traceback" not in result.err, result.err
        assert "memocast: error: unexpected" not in result.err, result.err
        if expect is not None:
            assert result.code == expect, result
        if expect:
            assert "memocast: error: " in result.err or expect in (1, 130), result
        return result

    def _run_anew(self, arguments: Sequence[str], given: bytes) -> tuple[int, bytes, bytes]:
        process: subprocess.Popen[Any] = self.start(*arguments, stdin=subprocess.PIPE, text=False)
        try:
            out, err = process.communicate(given, timeout=60)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process.returncode, out, err

    def shell(self, script: str, expect: int = 0) -> Result:
        """Run a POSIX shell script, as a user's would."""
        result = self.program("sh", "-c", script)
        assert result.code == expect, result
        return result

    def program(self, *command: str) -> Result:
        """Run any program as the user would."""
        with self.host.entered() if self.host else contextlib.nullcontext():
            done = subprocess.run(
                command,
                env=self.environment,
                cwd=self.home,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        return Result(done.returncode, done.stdout, done.stderr)

    def add(self, path: Path, **options: str) -> str:
        """Add a file; return the id of its memo."""
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        return self.run("add", str(path), *flags).out.strip()

    def show(self, memo: str = "latest") -> Any:
        """The memo as `show --json` prints it."""
        return self.run("show", memo, "--json").json

    def audio(self, memo: str = "latest") -> Path:
        """The memo's audio file."""
        shown = self.show(memo)
        return self.library / "memos" / f"{shown['id']}.{shown['format']}"

    def seeder(self) -> Any:
        """What the running seeder says of itself, or None: what `status` prints of it."""
        # In this process: tests ask again and again while they wait.
        report = SeederLock(self.library).report()
        return to_json(report) if report else None

    def snapshot(self) -> dict[str, bytes | None]:
        """Every file of the library that matters, to prove that nothing changed."""
        if not self.library.is_dir():
            return {}
        return {
            str(path.relative_to(self.library)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.library.rglob("*"))
            if not path.relative_to(self.library)
            .parts[0]
            .startswith(("library.db", "seeder", "backups"))
            and path.name != ".gate"
        } | {"rows": json.dumps(self.run("list", "--json").json).encode()}

    def stop(self) -> None:
        """End the library's seeder, if one runs; nothing of memocast's may be left then."""
        if (self.library / "seeder.lock").exists():
            self.run("seed", "--stop", expect=None)
        try:
            wait_for("the end of its processes", lambda: not processes_of(self.library), LEFT)
        finally:
            for number in processes_of(self.library):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)


def _is_for_the_interpreter(environment: Mapping[str, str]) -> bool:
    """Whether Python or the loader would have to begin anew to obey these variables."""
    if environment.get("LANG") != "C.UTF-8":
        return True
    of_both = set(environment) - {"PYTHONIOENCODING"}  # the spawner obeys that one too
    return any(name.startswith(("PYTHON", "LD_", "LC_", "COVERAGE_")) for name in of_both)
