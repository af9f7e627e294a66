"""What paired devices have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast


def texts_of(user: Memocast) -> dict[str, tuple[str, str]]:
    """The user's memos: title and description by id."""
    return {
        memo["id"]: (memo["title"], memo["description"]) for memo in user.run("list", "--json").json
    }
