"""The channels of a library: the user's own and the followed ones."""

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
    from collections.abc import Sequence
    from typing import Any

    from memocast.library.tables.database import Database

_NODES = "dht_nodes"
_SLOW = "slow_channels"
_LOST = "lost_turns"
_HELD = "held_back"


class Channels:
    """The channels of a library. Every method may raise LibraryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Channel]:
        """Return every channel, in the order in which they were added."""
        rows = self._database.rows("SELECT * FROM channel WHERE kind = 'channel' ORDER BY number")
        return [_channel_of(row) for row in rows]

    def get(self, reference: str) -> Channel:
        """Return the channel with that name or prefix of its public key. Raises UsageError."""
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
                f"'{reference}' matches {len(found)} channels", hint="type more of the key"
            )
        names = ", ".join(f"'{channel.name}'" for channel in known)
        raise UsageError(
            f"there is no channel '{reference}'",
            hint=f"you have: {names}" if names else "make one: memocast channel create NAME",
        )

    def numbered(self, number: int) -> Channel | None:
        """Return the channel or pairing with that number, or None."""
        row = self._database.row("SELECT * FROM channel WHERE number = ?", (number,))
        return _channel_of(row) if row else None

    def own(self, reference: str | None = None) -> Channel:
        """Return the named channel, or else the user's only own one. Raises UsageError."""
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
        """Return the channel as it is now. Raises MemocastError when it was removed."""
        found = self.known(channel.link)
        if found is None:
            raise MemocastError(f"the channel '{channel.name}' was removed", hint="try again")
        return found

    def pair(self) -> Channel | None:
        """Return the channel that the user's paired devices share, or None."""
        row = self._database.row("SELECT * FROM channel WHERE kind = 'pair'")
        return _channel_of(row) if row else None

    def to_sync(self) -> str:
        """Return a text that changes when there is more to sync, empty when there is nothing."""
        row = self._database.row(
            "SELECT group_concat(number), (SELECT seq FROM sqlite_sequence WHERE name = 'edit')"
            " FROM channel"
        )
        return f"{row[0]} {row[1]}" if row[0] else ""

    def known(self, link: ChannelLink) -> Channel | None:
        """Return the channel of this link if the library has it, or None."""
        row = self._database.row(
            "SELECT * FROM channel WHERE key = ? AND salt = ? AND source = ''",
            (link.public_key, link.salt),
        )
        return _channel_of(row) if row else None

    def podcast(self, source: str) -> Channel | None:
        """Return the followed podcast whose feed is at `source`, or None."""
        row = self._database.row(
            "SELECT * FROM channel WHERE source = ? AND source != ''", (source,)
        )
        return _channel_of(row) if row else None

    def state(self, channel: Channel) -> str:
        """Return the state stored when the podcast's feed was last read; empty before that."""
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
        """Add a channel, one of the user's own with its `secret`; a duplicate name gets a suffix.

        A podcast has a `source` and a link with a name only.

        Raises UsageError when the library already has it.
        """
        limits = limits or FollowLimits()
        with self._database.transaction():
            if self.podcast(source) if source else self.known(link):
                raise UsageError("you already have this channel", hint="memocast channel list")
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
            raise MemocastError("the channel was removed just after it was added", hint="try again")
        return added

    def is_taken(self, name: str) -> bool:
        """Return whether a channel has that name."""
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
        """Change how much of the channel is fetched and kept."""
        self._database.execute(
            "UPDATE channel SET newest = ?, max_size = ?, keep_days = ? WHERE number = ?",
            (limits.newest, limits.max_size, limits.keep_days, channel.number),
        )

    def take_over(self, channel: Channel, secret: bytes, age: str) -> None:
        """Store the channel's secret key, which allows publishing to it."""
        self._database.execute(
            "UPDATE channel SET secret = ?, age = ? WHERE number = ?",
            (secret, age, channel.number),
        )

    def remove(self, channel: Channel) -> None:
        """Delete the channel. The caller has already deleted its feed."""
        with self._database.transaction():
            self._database.execute("DELETE FROM channel WHERE number = ?", (channel.number,))
            # The next channel can get its number.
            self.note_time(channel, slow=False)
            self.note_held(channel, 0)

    # -- what the DHT has ------------------------------------------------------------

    def signed_item(self, channel: Channel) -> SignedItem | None:
        """Return the channel's newest known signed item, or None."""
        row = self._database.row(
            "SELECT seq, value, signature FROM channel WHERE number = ?", (channel.number,)
        )
        if row is None or row["seq"] < 0:
            return None
        key, salt = channel.link.public_key, channel.link.salt
        return SignedItem(key, salt, row["seq"], row["value"], row["signature"])

    def keep_signed_item(self, channel: Channel, item: SignedItem) -> None:
        """Store this as the channel's newest item, unless a newer one is already known.

        Two owners of one key can independently sign two items with the same number.
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
        """Sign this value as the channel's next version, store it and return it."""
        with self._database.transaction():
            row = self._database.row("SELECT seq FROM channel WHERE number = ?", (channel.number,))
            seq = (row["seq"] if row else -1) + 1
            item = mutable_item.sign(channel.secret, channel.link.salt, seq, value)
            self.keep_signed_item(channel, item)
        return item

    def note_check(self, channel: Channel, moment: int, problem: str) -> None:
        """Record a check at `moment`, in unix seconds; `problem` is empty if it succeeded."""
        self._database.execute(
            "UPDATE channel SET checked = ?, problem = ? WHERE number = ?",
            (moment, problem, channel.number),
        )

    def in_turn(self) -> list[Channel]:
        """Return every channel in the order in which to sync them.

        Those whose last sync took all its time come last; otherwise the longest unchecked first.
        """
        slow = self.slow()
        return sorted(self.all(), key=lambda one: (one.number in slow, one.checked))

    def slow(self) -> set[int]:
        """Return the numbers of the channels whose last sync took all its time."""
        return set(self._recall(_SLOW))

    def lost_turns(self) -> dict[int, int]:
        """Return by channels' numbers how many syncs in a row took all their time for nothing."""
        return self._counts(_LOST)

    def held_back(self) -> int:
        """Return how many memos the last syncs did not fetch, for want of room on the disk."""
        counts = self._counts(_HELD)
        return sum(counts.get(one.number, 0) for one in self.all())

    def note_held(self, channel: Channel, count: int) -> None:
        """Record how many memos its sync did not fetch, for want of room on the disk."""
        if self._counts(_HELD).get(channel.number, 0) != count:
            self._note_count(_HELD, channel, count)

    def note_time(self, channel: Channel, *, slow: bool, lost: bool = False) -> None:
        """Record whether its sync ended because its time was over, and was `lost` altogether."""
        number = channel.number
        with self._database.transaction():
            known = self.slow()
            if slow != (number in known):
                self._note(_SLOW, sorted(known ^ {number}))
            times = self.lost_turns().get(number, 0)
            if lost or times:
                self._note_count(_LOST, channel, times + 1 if lost else 0)

    def nodes(self) -> list[tuple[str, int]]:
        """Return the addresses and ports of DHT nodes that answered lately."""
        return [(str(host), int(port)) for host, port in self._recall(_NODES)]

    def note_nodes(self, nodes: list[tuple[str, int]]) -> None:
        """Store these nodes for the next look-up."""
        self._note(_NODES, nodes)

    def _counts(self, key: str) -> dict[int, int]:
        return {int(number): int(count) for number, count in self._recall(key)}

    def _note_count(self, key: str, channel: Channel, count: int) -> None:
        with self._database.transaction():
            counts = self._counts(key) | {channel.number: count}
            self._note(key, sorted(pair for pair in counts.items() if pair[1]))

    def _recall(self, key: str) -> list[Any]:
        row = self._database.row("SELECT value FROM state WHERE key = ?", (key,))
        return list(json.loads(row["value"])) if row else []

    def _note(self, key: str, value: Sequence[Any]) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO state VALUES (?, ?)", (key, json.dumps(value))
        )


def _channel_of(row: sqlite3.Row) -> Channel:
    trackers = tuple(row["trackers"].split("\n")) if row["trackers"] else ()
    return Channel(
        number=row["number"],
        link=ChannelLink(row["key"], row["salt"], row["name"], trackers, row["age"]),
        name=row["name"],
        secret=row["secret"],
        source=row["source"],
        kind=row["kind"],
        head=row["head"],
        seq=row["seq"],
        checked=row["checked"],
        problem=row["problem"],
        limits=FollowLimits(row["newest"], row["max_size"], row["keep_days"]),
    )
