"""Channels: which a library has, its user's own and those that are followed."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.formats import mutable_item
from memocast.formats.channel import Channel, ChannelLink, FollowLimits
from memocast.formats.mutable_item import SignedItem
from memocast.library.tables import database
from memocast.library.tables.failures import translated

if TYPE_CHECKING:
    import contextlib
    import sqlite3
    from pathlib import Path

_NODES = "dht_nodes"


class Channels:
    """The channels of a library. Every method may raise LibraryError."""

    def __init__(self, connection: sqlite3.Connection, root: Path) -> None:
        self._database = connection
        self._path = root / "library.db"

    def all(self) -> list[Channel]:
        """Every channel, in the order in which they came."""
        with self._translated():
            rows = self._database.execute(
                "SELECT * FROM channel WHERE kind = 'channel' ORDER BY number"
            ).fetchall()
            return [_channel(row) for row in rows]

    def get(self, reference: str) -> Channel:
        """The channel of that name, or whose public key begins so. Raises UsageError."""
        known = self.all()
        found = [channel for channel in known if channel.name == reference]
        if not found and reference:
            wanted = reference.casefold()
            found = [channel for channel in known if channel.name.casefold() == wanted] or [
                channel for channel in known if channel.link.public_key.hex().startswith(wanted)
            ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(
                f"'{reference}' fits {len(found)} channels", hint="use more of its key"
            )
        names = ", ".join(f"'{channel.name}'" for channel in known)
        raise UsageError(
            f"there is no channel '{reference}'",
            hint=f"you have: {names}" if names else "make one: memocast channel create NAME",
        )

    def pair(self) -> Channel | None:
        """What the user's paired devices meet at, if there is any: a channel of theirs."""
        with self._translated():
            row = self._database.execute("SELECT * FROM channel WHERE kind = 'pair'").fetchone()
        return _channel(row) if row else None

    def to_sync(self) -> str:
        """What there is to sync, empty when nothing is; another text when that has changed."""
        with self._translated():
            row = self._database.execute(
                "SELECT group_concat(number), (SELECT seq FROM sqlite_sequence WHERE name = 'edit')"
                " FROM channel"
            ).fetchone()
        return f"{row[0]} {row[1]}" if row[0] else ""

    def known(self, link: ChannelLink) -> Channel | None:
        """The channel that this link leads to, if it is here."""
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM channel WHERE key = ? AND salt = ? AND source = ''",
                (link.public_key, link.salt),
            ).fetchone()
        return _channel(row) if row else None

    def podcast(self, source: str) -> Channel | None:
        """The podcast whose feed is there, if it is followed."""
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM channel WHERE source = ? AND source != ''", (source,)
            ).fetchone()
        return _channel(row) if row else None

    def state(self, channel: Channel) -> str:
        """What was noted when a podcast's feed was last read; empty before that."""
        with self._translated():
            row = self._database.execute(
                "SELECT state FROM channel WHERE number = ?", (channel.number,)
            ).fetchone()
        return row["state"] if row else ""

    def add(
        self,
        link: ChannelLink,
        secret: bytes = b"",
        limits: FollowLimits | None = None,
        kind: str = "channel",
        source: str = "",
    ) -> Channel:
        """Have one more, one's own with its `secret`; a name that is taken is told apart.

        A podcast has a link with a name only, and a `source`.

        Raises UsageError when it is here already.
        """
        limits = limits or FollowLimits()
        with self._translated(), database.transaction(self._database):
            if self.podcast(source) if source else self.known(link):
                raise UsageError("the channel is here already", hint="memocast channel list")
            self._database.execute(
                "INSERT INTO channel (key, salt, kind, name, secret, age, trackers, newest,"
                " max_size, keep_days, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    link.public_key,
                    link.salt,
                    kind,
                    self._free_name(link),
                    secret,
                    link.age_identity,
                    "\n".join(link.trackers),
                    limits.newest,
                    limits.max_size,
                    limits.keep_days,
                    source,
                ),
            )
        added = self.podcast(source) if source else self.known(link)
        if added is None:
            raise MemocastError("the channel was removed at once", hint="try again")
        return added

    def is_taken(self, name: str) -> bool:
        """Whether a channel is called so."""
        with self._translated():
            row = self._database.execute("SELECT 1 FROM channel WHERE name = ?", (name,)).fetchone()
        return row is not None

    def _free_name(self, link: ChannelLink) -> str:
        name = link.name or link.public_key.hex()[:8]
        if not self.is_taken(name):
            return name
        if link.public_key:
            return f"{name} ({link.public_key.hex()[:8]})"
        return next(f"{name} ({n})" for n in count(2) if not self.is_taken(f"{name} ({n})"))

    def set_limits(self, channel: Channel, limits: FollowLimits) -> None:
        """From now on, take so much of it."""
        with self._translated():
            self._database.execute(
                "UPDATE channel SET newest = ?, max_size = ?, keep_days = ? WHERE number = ?",
                (limits.newest, limits.max_size, limits.keep_days, channel.number),
            )

    def take_over(self, channel: Channel, secret: bytes, age: str) -> None:
        """Its user may publish there from now on."""
        with self._translated():
            self._database.execute(
                "UPDATE channel SET secret = ?, age = ? WHERE number = ?",
                (secret, age, channel.number),
            )

    def remove(self, channel: Channel) -> None:
        """Have it no more. The caller has seen to its feed."""
        with self._translated():
            self._database.execute("DELETE FROM channel WHERE number = ?", (channel.number,))

    # -- what the DHT has ------------------------------------------------------------

    def signed_item(self, channel: Channel) -> SignedItem | None:
        """Its newest signed item that is known."""
        with self._translated():
            row = self._database.execute(
                "SELECT seq, value, signature FROM channel WHERE number = ?", (channel.number,)
            ).fetchone()
        if row is None or row["seq"] < 0:
            return None
        key, salt = channel.link.public_key, channel.link.salt
        return SignedItem(key, salt, row["seq"], row["value"], row["signature"])

    def keep_signed_item(self, channel: Channel, item: SignedItem) -> None:
        """This is its newest item, unless a newer one is known already.

        Two owners of one key, apart from each other, can sign two of the same number.
        """
        with self._translated():
            self._database.execute(
                "UPDATE channel SET seq = ?, value = ?, signature = ?"
                " WHERE number = ? AND (seq < ? OR seq = ? AND value != ?)",
                (
                    item.seq,
                    item.value,
                    item.signature,
                    channel.number,
                    item.seq,
                    item.seq,
                    item.value,
                ),
            )

    def sign_next(self, channel: Channel, value: bytes) -> SignedItem:
        """Sign this value as the channel's next version, and keep that."""
        with self._translated(), database.transaction(self._database):
            row = self._database.execute(
                "SELECT seq FROM channel WHERE number = ?", (channel.number,)
            ).fetchone()
            seq = (row["seq"] if row else -1) + 1
            item = mutable_item.sign(channel.secret, channel.link.salt, seq, value)
            self.keep_signed_item(channel, item)
        return item

    def note_check(self, channel: Channel, moment: int, problem: str) -> None:
        """The channel was looked for at `moment`, in unix seconds; `problem` is empty if found."""
        with self._translated():
            self._database.execute(
                "UPDATE channel SET checked = ?, problem = ? WHERE number = ?",
                (moment, problem, channel.number),
            )

    def nodes(self) -> list[tuple[str, int]]:
        """Nodes of the DHT that answered lately: addresses and ports."""
        with self._translated():
            row = self._database.execute(
                "SELECT value FROM state WHERE key = ?", (_NODES,)
            ).fetchone()
        return [(str(host), int(port)) for host, port in json.loads(row["value"])] if row else []

    def note_nodes(self, nodes: list[tuple[str, int]]) -> None:
        """Remember these."""
        with self._translated():
            self._database.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?)", (_NODES, json.dumps(nodes))
            )

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return translated(self._path)


def _channel(row: sqlite3.Row) -> Channel:
    trackers = tuple(row["trackers"].split("\n")) if row["trackers"] else ()
    return Channel(
        number=row["number"],
        link=ChannelLink(row["key"], row["salt"], row["name"], trackers, row["age"]),
        name=row["name"],
        secret=row["secret"],
        source=row["source"],
        head=row["head"],
        seq=row["seq"],
        checked=row["checked"],
        problem=row["problem"],
        limits=FollowLimits(row["newest"], row["max_size"], row["keep_days"]),
    )
