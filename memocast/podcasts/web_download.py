"""The download of an episode's audio from the web, continued where it was interrupted."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from memocast.bittorrent.download import STAGED_NAME
from memocast.files import file_stamp, write_atomically
from memocast.podcasts import http_get

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.library.library import Library
    from memocast.library.staging import StagingEntry
    from memocast.network.public_connection import Guard

_RESPONSE = "response.json"
"""In the entry: the address, and the response under which the bytes there were received."""


class WebDownload:
    """A download into an entry of `incoming/`, which may have a part of it."""

    def __init__(self, library: Library, entry: StagingEntry) -> None:
        self._library = library
        self._noted = entry.folder / _RESPONSE
        self.path = entry.folder / STAGED_NAME
        with library.translated():
            library.recover(entry)
            entry.restage(self.path)

    @property
    def has_something(self) -> bool:
        """Whether there are bytes that a later download can continue from."""
        part = self._part_of(None)
        return bool(part and part.validator and file_stamp(self.path)[0])

    def complete(
        self,
        address: str,
        max_size: int,
        timeout: float,
        tell: Callable[[int, int], None],
        guard: Guard,
    ) -> None:
        """Download the rest. Arguments and errors as for `http_get.get`; also LibraryError."""

        def begun(response: http_get.Response) -> None:
            write_atomically(self._noted, json.dumps([address, asdict(response)]).encode())

        with self._library.translated(), self.path.open("ab+") as target:
            part = self._part_of(address)
            http_get.get(
                address, target, max_size, timeout, tell=tell, part=part, begun=begun, guard=guard
            )

    def _part_of(self, address: str | None) -> http_get.Response | None:
        """Return the response noted for this address, or for any if that is None."""
        try:
            noted, response = json.loads(self._noted.read_bytes())
            found = http_get.Response(**response)
        except (OSError, ValueError, TypeError):
            return None
        return found if address in (None, noted) else None
