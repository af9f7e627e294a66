"""A library on a disk that is filled again and again, and all that a library can hold."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from helpers.channel_commands import create
from helpers.killed_commands import LINK, SECRET, memo
from helpers.library_state import leftovers, state
from helpers.mounted_folder import fill, make_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        self.make_room()
        shutil.rmtree(self._library)
        shutil.copytree(self._aside, self._library)
        self.fill(left)

    def fill(self, left: int) -> None:
        self._fill(self._disk, left)

    def make_room(self) -> None:
        make_room(self._disk)


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


def assert_room_can_be_made(user: Memocast, put: Put, left: Iterable[int]) -> None:
    """Assert that what frees space works, with each of these left of the disk."""
    commands = {
        ("unshare", memo(user, "One"), memo(user, "Two")): "no longer shared",
        ("unfollow", "Ben"): "no longer follow",
        ("pair", "--end"): "no longer paired",
    }
    for command in commands:
        user.run(*command)
    expected = state(user)
    for count in left:
        put.back(count)
        for command, says in commands.items():
            assert says in user.run(*command).err
            put.fill(count)
        put.make_room()
        assert state(user) == expected
        assert leftovers(user) == set()
