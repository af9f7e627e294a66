"""The memos of the one who seeds: some are always shared, others come and go."""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.shared_memo import info_hash

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from helpers.memocast_user import Memocast

FEWEST, MOST = 4, 10
_BYTES = 300_000
"""Of each: some pieces, and several requests for each piece."""


@dataclass
class Shared:
    """A memo and its link."""

    id: str
    link: str
    info_hash: str


class Memos:
    """Those that are `shared` now, and the `lan` one, which is for the local network only."""

    def __init__(self, user: Memocast, folder: Path) -> None:
        self._user = user
        self.file = folder / "sound.wav"
        self._count = 0
        self.shared: list[Shared] = []
        self.lan: Shared

    def begin(self) -> None:
        """Share some, and publish one of them in a channel, which has something to sync."""
        for _ in range(FEWEST):
            self.add()
        self.lan = self._share(self._new(), "--lan")
        self._user.run("channel", "create", "A channel")
        self._user.run("channel", "publish", self.shared[0].id, "--no-seed")

    def _new(self) -> str:
        self._count += 1
        with wave.open(str(self.file), "wb") as sound:
            sound.setparams((1, 2, 48_000, 0, "NONE", ""))
            sound.writeframes(os.urandom(_BYTES))
        return self._user.add(self.file, title=f"Memo {self._count}")

    def _share(self, memo: str, *options: str) -> Shared:
        link = self._user.run("share", memo, *options, "--no-seed").out.strip()
        return Shared(memo, link, info_hash(link))

    def add(self) -> Shared:
        """Record something, so to speak, and share it."""
        shared = self._share(self._new())
        self.shared.append(shared)
        return shared

    def any(self, chances: random.Random) -> Shared:
        """One that is shared."""
        return chances.choice(self.shared)

    def withdraw(self, chances: random.Random, *, remove: bool) -> Shared:
        """Unshare or remove one, but never the first, which is in the channel."""
        shared = chances.choice(self.shared[1:])
        self.shared.remove(shared)
        if remove:
            self._user.run("remove", shared.id, "--yes")
        else:
            self._user.run("unshare", shared.id)
        return shared

    def share_again(self, shared: Shared) -> None:
        """Share one that was withdrawn."""
        assert self._share(shared.id).info_hash == shared.info_hash
        self.shared.append(shared)

    def tidy(self) -> None:
        """Remove the oldest beyond the MOST."""
        while len(self.shared) > MOST:
            self._user.run("remove", self.shared.pop(1).id, "--yes")
