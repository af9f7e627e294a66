"""Memos of the paired devices that are not here yet, and the order to fetch them in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.errors import MissingDecoder, NotALink, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memocast.errors import MemocastError
    from memocast.formats.replica import ReplicaEntry
    from memocast.library.tables.replicas import Replicas

_UNSENT = "unsent"
_REFUSED = "refused"
_DAY = 24 * 3600


class MissingMemos:
    """The memos of a state that are not in the library. Methods may raise LibraryError.

    Links that nobody answered come last. Links that led to no memo are left out: an info-hash
    always leads to the same bytes.
    """

    def __init__(self, replicas: Replicas, state: Mapping[str, ReplicaEntry]) -> None:
        self._replicas = replicas
        here = replicas.memos()
        self._entries = {
            key: entry
            for key, entry in state.items()
            if entry.is_alive and entry.link and key not in here
        }
        unsent, refused = replicas.recall(_UNSENT), replicas.recall(_REFUSED)
        self._unsent = {key: unsent[key] for key in unsent if key in self._entries}
        self._refused = {
            key: link
            for key, link in refused.items()
            if key in self._entries and self._entries[key].link == link
        }

    def in_turn(self) -> list[ReplicaEntry]:
        """Return the entries to fetch: fewest failed attempts first, then newest first."""
        tomorrow = int(time.time()) + _DAY

        def turn(entry: ReplicaEntry) -> tuple[int, int]:
            return self._unsent.get(entry.key, 0), -min(entry.created, tomorrow)

        left = [entry for key, entry in self._entries.items() if key not in self._refused]
        return sorted(left, key=turn)

    def note(self, entry: ReplicaEntry, error: MemocastError) -> None:
        """Note why the entry's audio did not arrive."""
        if isinstance(error, MissingDecoder):  # it can be installed
            return
        if isinstance(error, (Refused, NotALink)):
            self._refused[entry.key] = entry.link
            self._replicas.remember(_REFUSED, self._refused)
        else:
            self._unsent[entry.key] = self._unsent.get(entry.key, 0) + 1
            self._replicas.remember(_UNSENT, self._unsent)
