"""What a seeder says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast


def pid(user: Memocast) -> int:
    report = user.seeder()
    return int(report["pid"]) if report else 0


def seeding(user: Memocast) -> int:
    report = user.seeder()
    return int(report["seeding"]) if report else -1
