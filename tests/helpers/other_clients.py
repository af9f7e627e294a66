"""Other BitTorrent clients, kept on this machine."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from helpers.processes import running
from helpers.programs import needs

if TYPE_CHECKING:
    from pathlib import Path


ARIA2C = (
    "aria2c",
    "--no-conf",
    "--enable-dht=false",
    "--enable-dht6=false",
    "--bt-enable-lpd=false",
    "--disable-ipv6",
    "--interface=127.0.0.1",
    "--file-allocation=none",
    "--show-console-readout=false",
)
"""aria2c, kept on this machine."""


def run_client(home: Path, program: str, *arguments: object) -> None:
    """Run another program to its end, which must be a good one."""
    process = start_client(home, program, *arguments)
    with running(process):
        process.wait(60)
    assert process.returncode == 0, (home / f"{program}.log").read_text()


def start_client(home: Path, program: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start another program, with no settings of whoever runs the tests."""
    with (home / f"{program}.log").open("wb") as log:
        return subprocess.Popen(
            [needs(program), *map(str, arguments)],
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
