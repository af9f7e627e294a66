"""What a soak has done and measured, a line of JSON each, in a file that outlives it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]


class Journal:
    """The file `soak.jsonl` of a folder: `lines` holds those of earlier runs, too.

    Each line has `is` (start, segment, event, sample), and `at`, in unix seconds.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "soak.jsonl"
        whole = b""
        if self._path.exists():
            content = self._path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:  # it was killed while it wrote
                self._path.write_bytes(whole)
        self.lines: list[Line] = []
        self.seconds = 0.0
        """How long its seeders ran, together."""
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, line: Line) -> None:
        if self.lines and line["is"] != "start":
            self.seconds += max(0.0, line["at"] - self.lines[-1]["at"])
        self.lines.append(line)

    def append(self, what: str, /, **values: Any) -> None:
        """Write down that something was so, now."""
        line = {"is": what, "at": round(time.time(), 2), **values}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)

    def of(self, what: str) -> list[Line]:
        """The lines of that kind, oldest first."""
        return [line for line in self.lines if line["is"] == what]
