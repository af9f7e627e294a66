"""What tests of sharing look at: links, addresses, and whether the same memo arrived."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

TRAVELS = ("title", "description", "created", "duration", "bytes", "format", "info_hash", "peaks")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def info_hash(link: str) -> str:
    return parse_qs(urlsplit(link).query)["xt"][0].rpartition(":")[2]


def address_of(user: Memocast) -> str:
    """Where the user's seeder listens, as `fetch --peer` takes it."""
    return str(user.seeder()["reach"]["listening"][0])


def assert_same_memo(sender: Memocast, sent: str, receiver: Memocast, received: str) -> None:
    assert sha256(receiver.audio(received)) == sha256(sender.audio(sent))
    original, copy = sender.show(sent), receiver.show(received)
    assert {key: copy[key] for key in TRAVELS} == {key: original[key] for key in TRAVELS}
    assert copy["origin"] == "fetched"
    assert copy["shared"] is False
