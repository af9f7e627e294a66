"""Other programs that the tests need."""

from __future__ import annotations

import shutil


def needs(program: str) -> str:
    """The path of a program that the test command installs; missing is a failure, not a skip."""
    found = shutil.which(program)
    assert found, f"{program} is not installed; run .ci/check, which installs it"
    return found
