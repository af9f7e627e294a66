"""What a process holds, as Linux tells it."""

from __future__ import annotations

from pathlib import Path

MEASURES = ("private_kb", "resident_kb", "descriptors", "threads", "children")
"""`private_kb`: memory that is of no file (RssAnon), which is where a leak shows. `resident_kb`
(VmRSS) has pages of the libraries and of the memos that it sends besides."""


def resources(pid: int) -> dict[str, int] | None:
    """The MEASURES of a process and its `peak_kb` (VmHWM); None when it has ended."""
    process = Path(f"/proc/{pid}")
    try:
        rows = (row.split(":", 1) for row in (process / "status").read_text().splitlines())
        status = {name: value.split() for name, value in rows}
        return {
            "private_kb": int(status["RssAnon"][0]),
            "resident_kb": int(status["VmRSS"][0]),
            "peak_kb": int(status["VmHWM"][0]),
            "descriptors": len(list((process / "fd").iterdir())),
            "threads": int(status["Threads"][0]),
            # Those of its main thread: no other starts any. Zombies count.
            "children": len((process / "task" / str(pid) / "children").read_text().split()),
        }
    except (FileNotFoundError, ProcessLookupError, KeyError):  # a zombie has no memory
        return None
