"""One change, and the tests that reach it."""

from __future__ import annotations

import difflib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from mutation.reach import ROOT

if TYPE_CHECKING:
    from mutation.mutants import Mutant
    from mutation.reach import Reach

_FIRST = 30
"""Tests that are run first, of the line's own package and short: most changes fail one of them."""

_SECONDS = 1_800
"""After which a change counts as noticed: something never ends."""


class Trial:
    """A mutant, which is tried by `run`."""

    def __init__(self, mutant: Mutant, reach: Reach) -> None:
        self._mutant = mutant
        lines = reach.lines(mutant.file)
        self._tests = lines.get(mutant.line) or reach.of_package(mutant.file)
        self._is_reached = bool(lines.get(mutant.line))

    def run(self) -> dict[str, Any]:
        """Make the change, run the tests until one fails, and put the file back."""
        file = self._mutant.file
        before = file.read_text()
        began = time.monotonic()
        file.write_text(self._mutant.code)
        try:
            failed = self._fails(self._tests[:_FIRST]) or self._fails(self._tests[_FIRST:])
        finally:
            file.write_text(before)
        return {
            "where": f"{file.relative_to(ROOT)}:{self._mutant.line}",
            "operator": self._mutant.operator,
            "outcome": "killed" if failed else "survived",
            "by": failed,
            "tests": len(self._tests),
            "reached": self._is_reached,
            "seconds": round(time.monotonic() - began),
            "diff": "".join(
                difflib.unified_diff(
                    before.splitlines(keepends=True),
                    self._mutant.code.splitlines(keepends=True),
                    n=1,
                )
            ),
        }

    def _fails(self, tests: list[str]) -> str:
        """Return what failed first, or an empty string."""
        if not tests:
            return ""
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "4", "--tb", "no", *tests]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return "it never ended"
        if done.returncode == 0:
            return ""
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        return failed[0] if failed else f"exit code {done.returncode}"
