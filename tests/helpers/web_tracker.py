"""A tracker that browsers can talk to: bittorrent-tracker, from npm."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from typing import TYPE_CHECKING

from helpers.repository import TESTS
from helpers.waiting import DEADLINE

if TYPE_CHECKING:
    from helpers.network_namespaces import Host


WEB = TESTS / "web"


class WebTracker:
    """bittorrent-tracker, from npm, on a host: `url` for browsers, `http` for other clients."""

    def __init__(self, host: Host, port: int = 0) -> None:
        self._host = host
        with host.entered():
            self._process = subprocess.Popen(
                ["node", "tracker.mjs", host.address, str(port)],
                cwd=WEB,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"ws://{host.address}:{self.port}"
        self.http = f"http://{host.address}:{self.port}/announce"
        self.heard: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError):  # closed
            for line in self._process.stdout:
                self.heard.append(line.strip())

    def announced(self, info_hash: str) -> bool:
        """Whether somebody has said that they take part in that swarm."""
        return f"start {info_hash}" in self.heard

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._reader.join(DEADLINE)
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
