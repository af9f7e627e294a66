"""Parts of a paired device's state that this device rejects, kept so that each is reported once.

A device with an older release keeps such a part for good and publishes it again and again.
It is answered a few times, in case it missed the answer, and then ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memocast.library.tables.replicas import Replicas

_NAME = "disputes"
_MOST = 500
_ANSWERS = 2
_DIGEST_LENGTH = 64
"""Hexadecimal digits of a SHA-256."""


class Disputes:
    """A library's disputes, by the rejected part's digest. Methods may raise LibraryError."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._open: dict[str, list[Any]] = replicas.recall(_NAME)

    def begin(self, digest: str) -> bool:
        """Note that a part is rejected; return whether that is new and must be reported."""
        if digest in self._open:
            return False
        self._open[digest] = ["", 0]
        for oldest in list(self._open)[:-_MOST]:
            del self._open[oldest]
        self._save()
        return True

    def is_settled(self, theirs: str, ours: str) -> bool:
        """Return whether `ours` was published often enough in answer to `theirs`."""
        return self._open.get(theirs) == [ours, _ANSWERS]

    def answer(self, theirs: str, ours: str) -> None:
        """Note that `ours` is published now, instead of `theirs`.

        Unreadable parts, which have an info-hash as digest, are not counted: no device keeps them.
        """
        if theirs in self._open and len(theirs) == _DIGEST_LENGTH:
            answer, count = self._open[theirs]
            self._open[theirs] = [ours, min(count + 1, _ANSWERS) if answer == ours else 1]
            self._save()

    def _save(self) -> None:
        self._replicas.remember(_NAME, self._open)
