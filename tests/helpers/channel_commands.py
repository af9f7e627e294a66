"""Making a channel and publishing in it, as `memocast channel` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast


def create(user: Memocast, *options: str, name: str = "Anna's notes") -> str:
    """A channel of the user's; its link."""
    return user.run("channel", "create", name, *options).out.strip()


def publish(user: Memocast, audio: Path, *titles: str) -> list[str]:
    """Publish a memo of each title, made of that file; their ids."""
    memos = [user.add(audio, title=title) for title in titles]
    published = user.run("channel", "publish", *memos, "--json").json
    assert [item["id"] for item in published] == memos
    return memos


def publish_one(user: Memocast, audio: Path, title: str, description: str = "") -> str:
    """A memo of that file in the user's only channel; its id."""
    memo = user.run("add", str(audio), "--title", title, "-d", description).out.strip()
    user.run("channel", "publish", memo, "--no-seed")
    return memo
