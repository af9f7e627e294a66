"""How memocast starts itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def command(root: Path, *arguments: str) -> list[str]:
    """The command line that runs memocast on the library in `root`, as it runs now."""
    # -P: a folder called 'memocast' where the user happens to be is not our code.
    return [sys.executable, "-P", "-m", "memocast", "--library", str(root), *arguments]
