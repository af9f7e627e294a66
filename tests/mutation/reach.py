"""Which tests reach a line, in whatever process: the suite is run once under coverage.

Each process of memocast's that a test starts notes its lines under that test's name. What decodes
for strangers can open no file in the end, so its lines are noted as far as they are imported only;
whoever asks for a line that no test is known to reach gets the tests of its package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
CURRENT = "MUTATION_TEST"
"""The variable with the name of the test that is running."""

SECONDS = "MUTATION_SECONDS"
"""The variable with the file of how long each test takes."""

_CONFIGURATION = """
[run]
source = {source}
data_file = {data}
parallel = True
context = ${{{current}-}}
patch = subprocess, _exit, fork
sigterm = True
disable_warnings = no-data-collected, module-not-measured, already-imported
"""


class Reach:
    """The tests, how long each took in seconds, and the lines that each reached."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seconds: dict[str, float] = {}
        self._by_file: dict[str, dict[int, list[str]]] = {}

    def measure(self, chosen: Sequence[str]) -> None:
        """Run the suite, or the `chosen` tests, under coverage, unless that was done before."""
        done = self._folder / "seconds.jsonl"
        if not (self._folder / "measured").exists():
            done.unlink(missing_ok=True)
            self._run(done, chosen)
            (self._folder / "measured").touch()
        for line in done.read_text().splitlines():
            name, seconds = json.loads(line)
            self._seconds[name] = seconds

    def _run(self, done: Path, chosen: Sequence[str]) -> None:
        configuration = self._folder / "coveragerc"
        configuration.write_text(
            _CONFIGURATION.format(
                source=ROOT / "memocast", data=self._folder / "coverage", current=CURRENT
            )
        )
        for old in self._folder.glob("coverage.*"):
            old.unlink()
        environment = {**os.environ, "COVERAGE_PROCESS_START": str(configuration)}
        environment[SECONDS] = str(done)
        environment["PYTHONPATH"] = str(ROOT / "tests")  # for `noting`
        command = ["pytest", "-q", "-n", "4", "-m", "not browser", "-p", "mutation.noting"]
        command += chosen or ["tests"]
        # Some that measure time or memory fail under coverage. What they reach counts all the same.
        subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=False)
        combine = ["coverage", "combine", "--quiet", f"--rcfile={configuration}"]
        subprocess.run([sys.executable, "-m", *combine], cwd=self._folder, check=True)

    def lines(self, file: Path) -> Mapping[int, list[str]]:
        """The tests that reached each line of the file within a function, shortest first."""
        if str(file) not in self._by_file:
            from coverage import CoverageData

            data = CoverageData(str(self._folder / "coverage"))
            data.read()
            self._by_file[str(file)] = {
                line: sorted(
                    {test for test in tests if test in self._seconds}, key=self._order(file)
                )
                for line, tests in data.contexts_by_lineno(str(file)).items()
            }
        return self._by_file[str(file)]

    def of_package(self, file: Path) -> list[str]:
        """The tests of the file's package, shortest first."""
        package = f"tests/{file.parent.name}/"
        return sorted(
            (test for test in self._seconds if test.startswith(package)),
            key=self._seconds.__getitem__,
        )

    def _order(self, file: Path) -> object:
        package = f"tests/{file.parent.name}/"
        return lambda test: (not test.startswith(package), self._seconds[test])
