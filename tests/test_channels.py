"""Channels on a private DHT: publish, follow, receive, whoever of them is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conftest import wait_for
from transfer import sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Memocast


def on_air(user: Memocast) -> None:
    """Wait until the user's seeder is on the DHT."""
    wait_for(
        "the DHT", lambda: (user.seeder() or {"reach": {"dht_nodes": 0}})["reach"]["dht_nodes"]
    )


def create(user: Memocast, *options: str, name: str = "Anna's notes") -> str:
    """A channel of the user's; its link."""
    return user.run("channel", "create", name, *options).out.strip()


def publish(user: Memocast, audio: Path, title: str) -> str:
    """Publish a memo made of that file; its id."""
    memo = user.add(audio, title=title)
    published = user.run("channel", "publish", memo, "--json").json
    assert [item["id"] for item in published] == [memo]
    return memo


def titles(user: Memocast) -> list[str]:
    return sorted(memo["title"] for memo in user.run("list", "--json").json)


def test_what_is_published_reaches_who_follows(
    someone: Callable[[str], Memocast], opus: Path
) -> None:
    anna, ben = someone("anna"), someone("ben")
    link = create(anna)
    assert link.startswith("magnet:?xs=urn:btpk:")
    assert "&s=6d656d6f63617374&dn=Anna%27s%20notes" in link
    memo = publish(anna, opus, "The first")
    on_air(anna)
    followed = ben.run("follow", link)
    assert followed.out == ""
    assert "you follow 'Anna's notes' now" in followed.err
    synced = ben.run("sync")
    assert synced.err.splitlines()[-1] == "memocast: 'Anna's notes': 1 new memo"
    (got,) = synced.out.splitlines()
    assert sha256(ben.audio(got)) == sha256(anna.audio(memo))
    assert ben.show(got)["title"] == "The first"
    assert ben.run("sync").err.splitlines()[-1] == "memocast: 'Anna's notes': 0 new memos"
