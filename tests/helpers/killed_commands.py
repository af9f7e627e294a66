"""Commands that are killed: what is there before, and what they say once it was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from helpers.channel_commands import create
from helpers.full_or_short import scaled
from helpers.library_state import state
from memocast.formats.feed import PAGE_BYTES
from memocast.formats.memo import DESCRIPTION_MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from helpers.memocast_user import Memocast


@dataclass(frozen=True)
class Case:
    """A command, what is there before, and what is said, with which code, when it was done.

    It is killed at each step, or at `every` so manyth in a run that is not to take long.
    """

    command: str
    before: Callable[[Memocast, Path], object]
    done: tuple[int, str] = (0, "")
    stdin: str = ""
    whole: bool = False  # with the copy of the database at its end
    every: int = scaled(1, 16)


def memos(user: Memocast, opus: Path) -> None:
    for title in ("One", "Two", "Three"):
        user.add(opus, title=title)


def channel(user: Memocast, opus: Path) -> None:
    memos(user, opus)
    create(user, name="Notes")


def private_channel(user: Memocast, opus: Path) -> None:
    memos(user, opus)
    create(user, "--private", name="Notes")


def published(user: Memocast, opus: Path) -> None:
    channel(user, opus)
    user.run("channel", "publish", "--no-seed", memo(user, "One"), memo(user, "Two"))


def privately_published(user: Memocast, opus: Path) -> None:
    private_channel(user, opus)
    user.run("channel", "publish", "--no-seed", memo(user, "One"), memo(user, "Two"))


def two_pages(user: Memocast, opus: Path) -> None:
    """The oldest memo is not on the newest page."""
    create(user, name="Notes")
    for title in (
        "One",
        *(f"Long {n}" for n in range(2 * PAGE_BYTES // DESCRIPTION_MAX_BYTES + 1)),
    ):
        text = title * (DESCRIPTION_MAX_BYTES // len(title))
        user.run("channel", "publish", "--no-seed", user.add(opus, title=title, description=text))
    user.add(opus, title="Last")
    assert len(state(user)["channels"][0]["feed"]) > 1


def followed(user: Memocast, opus: Path) -> None:
    memos(user, opus)
    user.run("follow", LINK)


def privately_shared(user: Memocast, opus: Path) -> None:
    memos(user, opus)
    user.run("share", "--no-seed", "--private", memo(user, "One"))
    user.run("share", "--no-seed", memo(user, "One"), memo(user, "Two"), "--public")


def paired(user: Memocast, opus: Path) -> None:
    """As after a sync that reached nobody."""
    memos(user, opus)
    user.run("pair", "-", stdin=SECRET)
    user.run("sync", expect=1)  # the DHT is off; what is sealed is sealed


def damaged(user: Memocast, opus: Path) -> None:
    published(user, opus)
    (user.library / "library.db").write_bytes(b"not a database at all")


def damaged_without_copy(user: Memocast, opus: Path) -> None:
    memos(user, opus)
    for copy in (user.library / "backups").glob("*.db"):
        copy.unlink()
    (user.library / "library.db").write_bytes(b"not a database at all")


def damaged_without_audio(user: Memocast, opus: Path) -> None:
    create(user, name="Notes")
    (user.library / "library.db").write_bytes(b"not a database at all")


def memo(user: Memocast, title: str) -> str:
    (found,) = user.run("list", title, "--json").json
    return str(found["id"])


LINK = "magnet:?xs=urn:btpk:" + "12" * 32 + "&s=6d656d6f63617374&dn=Ben"
SECRET = "memocast-pair:AGE-SECRET-KEY-1RWDAKS8WA58GD7F9CF35F00LTD3GZNQ96S3C3XHAJ78J70MJRZTQ69UC7C"

CASES = {
    "publish": Case(
        "channel publish --no-seed =Three",
        published,
        (1, "already"),
        whole=True,
        every=scaled(1, 6),
    ),
    "publish the first": Case("channel publish --no-seed =One", channel, (1, "already")),
    "publish three": Case(
        "channel publish --no-seed =One =Two =Three", channel, (1, "is already in 'Notes'")
    ),
    "publish privately": Case(
        "channel publish --no-seed =Three", privately_published, (1, "already")
    ),
    "publish to a new page": Case("channel publish --no-seed =Last", two_pages, (1, "already")),
    "retract": Case(
        "channel retract =Two", published, (1, "is not in 'Notes'"), every=scaled(1, 4)
    ),
    "retract both": Case("channel retract =One =Two", published, (1, "is not in 'Notes'")),
    "retract privately": Case("channel retract =Two", privately_published, (1, "is not in")),
    "retract from an old page": Case("channel retract =One", two_pages, (1, "is not in")),
    "follow": Case(f"follow {LINK} --newest 5", memos),
    "unfollow": Case("unfollow Ben", followed, (2, "there is no channel")),
    "create": Case("channel create Notes", memos, (2, "a channel 'Notes' already exists")),
    "pair": Case("pair", memos),
    "pair with a secret": Case("pair -", memos, (2, "already paired by that secret"), SECRET),
    "end pairing": Case("pair --end", paired),
    "share privately": Case("share --no-seed --private =One", memos),
    "share to somebody": Case(
        "share --no-seed --to age13yf5mqpkcxrlwptpch7m5s7sag3scry88xtnd0tlm7wnk8v6x9xs3r0kdt =One",
        memos,
    ),
    "share in plain": Case("share --no-seed --all", memos),
    "unshare": Case("unshare =One =Two", privately_shared),
    "remove": Case("remove --yes =One", privately_shared, (3, "there is no memo")),
    "remove what is published": Case("remove --yes =Two", published, (3, "there is no memo")),
    "edit": Case("edit =One --title Changed", published),
    "end pairing twice": Case("pair --end", memos),
    "repair": Case("doctor --repair", damaged),
    "repair without a copy": Case("doctor --repair", damaged_without_copy),
    "repair without audio": Case("doctor --repair", damaged_without_audio),
}

ORDINARY = [
    "publish privately",
    "follow",
    "end pairing",
    "share privately",
    "remove what is published",
    "repair",
]
"""One of each kind. The full run does all."""
