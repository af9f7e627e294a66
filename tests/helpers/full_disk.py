"""A library on a disk that is filled again and again, and all that a library can hold."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from helpers.channel_commands import create
from helpers.killed_commands import LINK, SECRET, memo
from helpers.mounted_folder import fill, make_room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


class Put:
    """A library that is put back as it was, with ever more room beside it: pages, or files."""

    def __init__(
        self,
        user: Memocast,
        disk: Path,
        aside: Path,
        filled: Callable[[Path, int], None] = fill,
    ) -> None:
        self._library, self._disk, self._aside = user.library, disk, aside
        self._fill = filled
        shutil.copytree(self._library, aside)

    def back(self, left: int) -> None:
        make_room(self._disk)
        shutil.rmtree(self._library)
        shutil.copytree(self._aside, self._library)
        self._fill(self._disk, left)


def everything(user: Memocast, opus: Path) -> None:
    """Memos shared in each way, a channel of her own, one that she follows, and a paired device."""
    for title in ("One", "Two", "Three", "Four"):
        user.add(opus, title=title)
    create(user, name="Notes")
    user.run("channel", "publish", "--no-seed", memo(user, "Four"))
    user.run("follow", LINK)
    user.run("share", "--no-seed", "--private", memo(user, "One"))
    user.run("share", "--no-seed", memo(user, "Two"))
    user.run("pair", "-", stdin=SECRET)
    user.run("sync", expect=None)  # seals memos for the other device
    user.run("identity")
