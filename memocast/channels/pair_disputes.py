"""Disputes: what a paired device says and this one does not take, so that each is said once.

A device that runs an older release keeps such a thing for good and publishes it again and again.
It is answered a few times, in case it had not heard the answer, and then left to its belief.
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
    """Those of a library. What is not taken goes by its digest. Methods may raise LibraryError."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas
        self._open: dict[str, list[Any]] = replicas.recall(_NAME)

    def begin(self, digest: str) -> bool:
        """Note that it is not taken; whether that is new, and has to be said."""
        if digest in self._open:
            return False
        self._open[digest] = ["", 0]
        for oldest in list(self._open)[:-_MOST]:
            del self._open[oldest]
        self._save()
        return True

    def is_settled(self, theirs: str, ours: str) -> bool:
        """Whether it was answered by `ours` often enough."""
        return self._open.get(theirs) == [ours, _ANSWERS]

    def answer(self, theirs: str, ours: str) -> None:
        """Note that `ours` is published now, instead of it.

        What cannot be read at all, and has an info-hash for a digest, nobody believes for good.
        """
        if theirs in self._open and len(theirs) == _DIGEST_LENGTH:
            answer, count = self._open[theirs]
            self._open[theirs] = [ours, min(count + 1, _ANSWERS) if answer == ours else 1]
            self._save()

    def _save(self) -> None:
        self._replicas.remember(_NAME, self._open)
