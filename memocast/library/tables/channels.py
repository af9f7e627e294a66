"""Channels: which a library has, its user's own and those that are followed."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

from memocast.errors import MemocastError, UsageError
from memocast.formats import mutable_item
from memocast.formats.channel import Channel, ChannelLink, FollowLimits
from memocast.formats.mutable_item import SignedItem

if TYPE_CHECKING:
    import sqlite3

    from memocast.library.tables.database import Database

_NODES = "dht_nodes"


class Channels:
    """The channels of a library. Every method may raise LibraryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Channel]:
        """Every channel, in the order in which they came."""
        rows = self._database.rows("SELECT * FROM channel WHERE kind = 'channel' ORDER BY number")
        return [_channel_of(row) for row in rows]

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

    def own(self, reference: str | None = None) -> Channel:
        """The channel that is meant, or the only one of the user's own. Raises UsageError."""
        if reference is not None:
            return self.get(reference)
        own = [channel for channel in self.all() if channel.is_own]
        if len(own) == 1:
            return own[0]
        if own:
            names = ", ".join(f"'{channel.name}'" for channel in own)
            raise UsageError(f"you have several channels: {names}", hint="name one with --to")
        raise UsageError("you have no channel yet", hint="make one: memocast channel create NAME")

    def refreshed(self, channel: Channel) -> Channel:
        """The channel as it is now. Raises MemocastError when it was removed."""
        found = self.known(channel.link)
        if found is None:
            raise MemocastError(f"the channel '{channel.name}' was removed", hint="try again")
        return found

    def pair(self) -> Channel | None:
        """What the user's paired devices meet at, if there is any: a channel of theirs."""
        row = self._database.row("SELECT * FROM channel WHERE kind = 'pair'")
        return _channel_of(row) if row else None

    def to_sync(self) -> str:
        """What there is to sync, empty when nothing is; another text when that has changed."""
        row = self._database.row(
            "SELECT group_concat(number), (SELECT seq FROM sqlite_sequence WHERE name = 'edit')"
            " FROM channel"
        )
        return f"{row[0]} {row[1]}" if row[0] else ""

    def known(self, link: ChannelLink) -> Channel | None:
        """The channel that this link leads to, if it is here."""
        row = self._database.row(
            "SELECT * FROM channel WHERE key = ? AND salt = ? AND source = ''",
            (link.public_key, link.salt),
        )
        return _channel_of(row) if row else None

    def podcast(self, source: str) -> Channel | None:
        """The podcast whose feed is there, if it is followed."""
        row = self._database.row(
            "SELECT * FROM channel WHERE source = ? AND source != ''", (source,)
        )
        return _channel_of(row) if row else None

    def state(self, channel: Channel) -> str:
        """What was noted when a podcast's feed was last read; empty before that."""
        row = self._database.row("SELECT state FROM channel WHERE number = ?", (channel.number,))
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
        with self._database.transaction():
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
        row = self._database.row("SELECT 1 FROM channel WHERE name = ?", (name,))
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
        self._database.execute(
            "UPDATE channel SET newest = ?, max_size = ?, keep_days = ? WHERE number = ?",
            (limits.newest, limits.max_size, limits.keep_days, channel.number),
        )

    def take_over(self, channel: Channel, secret: bytes, age: str) -> None:
        """Its user may publish there from now on."""
        self._database.execute(
            "UPDATE channel SET secret = ?, age = ? WHERE number = ?",
            (secret, age, channel.number),
        )

    def remove(self, channel: Channel) -> None:
        """Have it no more. The caller has seen to its feed."""
        self._database.execute("DELETE FROM channel WHERE number = ?", (channel.number,))

    # -- what the DHT has ------------------------------------------------------------

    def signed_item(self, channel: Channel) -> SignedItem | None:
        """Its newest signed item that is known."""
        row = self._database.row(
            "SELECT seq, value, signature FROM channel WHERE number = ?", (channel.number,)
        )
        if row is None or row["seq"] < 0:
            return None
        key, salt = channel.link.public_key, channel.link.salt
        return SignedItem(key, salt, row["seq"], row["value"], row["signature"])

    def keep_signed_item(self, channel: Channel, item: SignedItem) -> None:
        """This is its newest item, unless a newer one is known already.

        Two owners of one key, apart from each other, can sign two of the same number.
        """
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
        with self._database.transaction():
            row = self._database.row("SELECT seq FROM channel WHERE number = ?", (channel.number,))
            seq = (row["seq"] if row else -1) + 1
            item = mutable_item.sign(channel.secret, channel.link.salt, seq, value)
            self.keep_signed_item(channel, item)
        return item

    def note_check(self, channel: Channel, moment: int, problem: str) -> None:
        """The channel was looked for at `moment`, in unix seconds; `problem` is empty if found."""
        self._database.execute(
            "UPDATE channel SET checked = ?, problem = ? WHERE number = ?",
            (moment, problem, channel.number),
        )

    def nodes(self) -> list[tuple[str, int]]:
        """Nodes of the DHT that answered lately: addresses and ports."""
        row = self._database.row("SELECT value FROM state WHERE key = ?", (_NODES,))
        return [(str(host), int(port)) for host, port in json.loads(row["value"])] if row else []

    def note_nodes(self, nodes: list[tuple[str, int]]) -> None:
        """Remember these."""
        self._database.execute(
            "INSERT OR REPLACE INTO state VALUES (?, ?)", (_NODES, json.dumps(nodes))
        )


def _channel_of(row: sqlite3.Row) -> Channel:
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
