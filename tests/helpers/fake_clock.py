"""A process's own clock, which a test sets: libfaketime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from helpers.programs import needs

if TYPE_CHECKING:
    from collections.abc import Mapping


class Clock:
    """A clock for processes that are started with this environment; the file lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        needs("faketime")
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        self._offset = folder / "offset"
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
        }
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Go by that much more than the machine's clock, or less."""
        following = self._offset.with_name("next")
        following.write_text(f"{seconds:+}\n")
        following.replace(self._offset)
