"""A leak on purpose: what a soak must be able to see.

Written as `sitecustomize.py` into a folder that the seeder has in its PYTHONPATH. Each of its
workers then keeps a descriptor and 10 kB for every peer that connects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LEAK = """
import os, sys

if "--session" in sys.orig_argv:
    from memocast.bittorrent.session import Session

    hoard = []
    take = Session._take

    def leaking_take(self, alert):
        if type(alert).__name__ == "incoming_connection_alert":
            hoard.append((os.open(os.devnull, os.O_RDONLY), os.urandom(10_000)))
        return take(self, alert)

    Session._take = leaking_take
"""


def leaking(folder: Path) -> dict[str, str]:
    """The environment of a seeder that leaks."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_LEAK)
    return {"PYTHONPATH": str(folder)}
