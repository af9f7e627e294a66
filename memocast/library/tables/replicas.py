"""A library's copy of the state that its paired devices agree on."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from memocast.formats.replica import (
    MAX_BUCKET_BYTES,
    EditStamp,
    ReplicaEntry,
    bucket,
    insist,
    merge,
    to_bytes,
)
from memocast.formats.replica_entries import mend, spoken_description, spoken_link, spoken_title

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping

    from memocast.library.tables.database import Database

_DEVICE = "device"
_NOTES = "pair:"
_MENDED = "mended"

_MOST_ENTRIES = 100_000
_MOST_BYTES = 1 << 26
_MOST_BUCKET_BYTES = MAX_BUCKET_BYTES - (1 << 20)
"""The most that other devices can add to a library, as published. Devices do not read a bucket
that is too long; the rest of its size is for entries added here."""

Change = tuple[str, str]
"""An entry's key, and the field that was changed: `title`, `description` or `removed`."""


class Replicas:
    """The state of a library shared with its paired devices. Methods may raise LibraryError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self) -> dict[str, ReplicaEntry]:
        """Return every entry, by key."""
        rows = self._database.rows("SELECT * FROM replica")
        return {row["key"]: _entry_of(row) for row in rows}

    def memos(self) -> dict[str, str]:
        """Return the ids of the entries' local memos, by key."""
        rows = self._database.rows(
            "SELECT key, memo FROM replica JOIN memo ON memo.id = replica.memo"
        )
        return {row["key"]: row["memo"] for row in rows}

    def collect(self) -> list[Change]:
        """Apply the changes made here, each with the time at which it was made.

        Returns those to entries that other devices know.
        """
        with self._database.transaction():
            self._mend()
            device = self._device()
            edits = self._edits()
            changes: list[Change] = []
            for row in self._database.rows(
                "SELECT memo.id, memo.title, memo.description, memo.created, memo.duration,"
                " memo.bytes, memo.origin, replica.key, (SELECT info_hash FROM torrent"
                " WHERE torrent.memo = memo.id AND arrived AND mode = 'public') AS arrived"
                " FROM memo"
                " LEFT JOIN replica ON replica.memo = memo.id"
            ):
                changes += self._collect_memo(row, edits, device)
            for row in self._database.rows(
                "SELECT replica.* FROM replica LEFT JOIN memo ON memo.id = replica.memo"
                " WHERE replica.memo IS NOT NULL AND memo.id IS NULL"
            ):
                entry = _entry_of(row)
                moment = edits.get((row["memo"], "removed"))
                if moment is not None and entry.is_alive:
                    entry = replace(entry, removed_at=entry.last.next(moment, device))
                    changes.append((entry.key, "removed"))
                self._write(entry, None)
            self._database.execute("DELETE FROM edit")
        return changes

    def _collect_memo(
        self, row: sqlite3.Row, edits: Mapping[tuple[str, str], int], device: str
    ) -> list[Change]:
        key = row["key"] or row["arrived"] or row["id"]
        title = spoken_title(row["title"])
        description = spoken_description(row["description"])
        known = self._database.row("SELECT * FROM replica WHERE key = ?", (key,))
        added = edits.get((row["id"], "added"))
        if known is None:
            at = EditStamp(row["created"] * 1000 if added is None else added, 0, device)
            entry = ReplicaEntry(
                key=key,
                title=title,
                title_at=at,
                description=description,
                description_at=at,
                created=row["created"],
                duration=row["duration"],
                size=row["bytes"],
                origin=row["origin"],
            )
            self._write(entry, row["id"])
            return []
        changes: list[Change] = []
        before = entry = _entry_of(known)
        if added is not None and not entry.is_alive:
            # It had been removed, and was added again.
            at = entry.last.next(added, device)
            entry = replace(entry, title=title, title_at=at, description=description)
            changes.append((key, "title"))
        for name, text in (("title", title), ("description", description)):
            at = getattr(entry, f"{name}_at")
            # Without an edit, another device changed it, and the memo is not updated yet.
            moment = edits.get((row["id"], name))
            if getattr(entry, name) != text and moment is not None:
                changed: dict[str, Any] = {name: text, f"{name}_at": at.next(moment, device)}
                entry = replace(entry, **changed)
                changes.append((key, name))
        if entry != before or known["memo"] != row["id"]:
            self._write(entry, row["id"])
        return changes

    def _mend(self) -> None:
        """Repair, once, entries that an older release accepted and that would block every sync."""
        if self.recall(_MENDED):
            return
        for row in self._database.rows("SELECT * FROM replica"):
            try:
                good = mend(_entry_of(row))
            except (ValueError, TypeError):
                good = None
            if good is None:
                self._database.execute("DELETE FROM replica WHERE key = ?", (row["key"],))
            else:
                self._write(good, row["memo"])
        self.remember(_MENDED, {"once": True})

    def room(self) -> Room:
        """Return how much more other devices may add to this library."""
        return Room(self.state().values())

    def merge(
        self,
        entries: Iterable[ReplicaEntry],
        changes: Collection[Change] = (),
        room: Room | None = None,
    ) -> int:
        """Merge another device's entries; return how many there was no room for.

        `changes` were made here and are not yet known to the other devices.
        """
        moment = _now()
        room = room or self.room()
        changed: dict[str, list[str]] = {}
        for key, field in changes:
            changed.setdefault(key, []).append(field)
        refused = 0
        with self._database.transaction():
            device = self._device()
            for entry in sorted(entries, key=lambda entry: entry.key):
                before, memo = self._known(entry.key) or (None, None)
                found = entry
                if before:
                    found = merge(before, entry)
                    for field in changed.get(entry.key, ()):
                        found = insist(before, found, field, moment, device)
                if found == before:
                    continue
                if room.has(before, found):
                    self._write(found, memo)
                else:
                    refused += 1
        return refused

    def _known(self, key: str) -> tuple[ReplicaEntry, str | None] | None:
        row = self._database.row("SELECT * FROM replica WHERE key = ?", (key,))
        return (_entry_of(row), row["memo"]) if row else None

    def recall(self, name: str) -> dict[str, Any]:
        """Return the notes stored under that name for this pairing; empty when there are none."""
        row = self._database.row("SELECT value FROM state WHERE key = ?", (_NOTES + name,))
        return dict(json.loads(row["value"])) if row else {}

    def remember(self, name: str, notes: Mapping[str, Any]) -> None:
        """Store notes under that name, replacing earlier ones; ending the pairing deletes them."""
        self._database.execute(
            "INSERT OR REPLACE INTO state VALUES (?, ?)", (_NOTES + name, json.dumps(notes))
        )

    def lead_to(self, key: str, link: str) -> None:
        """Store the link to the entry's audio."""
        self._database.execute(
            "UPDATE replica SET link = ? WHERE key = ?", (spoken_link(link), key)
        )

    def settle(self, key: str, memo: str | None) -> None:
        """Store the id of the entry's local memo, or that it has none."""
        self._database.execute("UPDATE replica SET memo = ? WHERE key = ?", (memo, key))

    def forget(self) -> None:
        """Delete the copy of the state; memos stay as they are."""
        with self._database.transaction():
            self._database.execute("DELETE FROM replica")
            self._database.execute("DELETE FROM edit")
            self._database.execute(
                "DELETE FROM state WHERE key = ? OR substr(key, 1, ?) = ?",
                (_DEVICE, len(_NOTES), _NOTES),
            )

    def _write(self, entry: ReplicaEntry, memo: str | None) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO replica (key, memo, title, title_at, description,"
            " description_at, removed_at, created, duration, bytes, origin, link)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.key,
                memo,
                entry.title,
                json.dumps(entry.title_at),
                entry.description,
                json.dumps(entry.description_at),
                json.dumps(entry.removed_at),
                entry.created,
                entry.duration,
                entry.size,
                entry.origin,
                entry.link,
            ),
        )

    def _edits(self) -> dict[tuple[str, str], int]:
        """Return the time of each field's last change here, in ms, by memo and field."""
        rows = self._database.rows("SELECT memo, field, at FROM edit ORDER BY number")
        return {(row["memo"], row["field"]): row["at"] for row in rows}

    def _device(self) -> str:
        chosen = os.urandom(8).hex()
        self._database.execute("INSERT OR IGNORE INTO state VALUES (?, ?)", (_DEVICE, chosen))
        row = self._database.row("SELECT value FROM state WHERE key = ?", (_DEVICE,))
        return str(row["value"])


class Room:
    """The space left for entries from other devices."""

    def __init__(self, entries: Iterable[ReplicaEntry]) -> None:
        self._count = 0
        self._bytes: Counter[str] = Counter()
        for entry in entries:
            self._count += 1
            self._bytes[bucket(entry.key)] += len(to_bytes([entry]))

    def has(self, before: ReplicaEntry | None, entry: ReplicaEntry) -> bool:
        """Return whether the entry fits in place of `before`; if so, take up its space."""
        part = bucket(entry.key)
        grown = len(to_bytes([entry])) - (len(to_bytes([before])) if before else 0)
        if grown > 0 and (
            self._bytes[part] + grown > _MOST_BUCKET_BYTES
            or self._bytes.total() + grown > _MOST_BYTES
            or self._count + (before is None) > _MOST_ENTRIES
        ):
            return False
        self._bytes[part] += grown
        self._count += before is None
        return True


def _now() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _entry_of(row: sqlite3.Row) -> ReplicaEntry:
    moment = _now()
    title_at, description_at, removed_at = (
        EditStamp(*json.loads(row[name])).clamped(moment)
        for name in ("title_at", "description_at", "removed_at")
    )
    return ReplicaEntry(
        key=row["key"],
        title=row["title"],
        title_at=title_at,
        description=row["description"],
        description_at=description_at,
        removed_at=removed_at,
        created=row["created"],
        duration=row["duration"],
        size=row["bytes"],
        origin=row["origin"],
        link=row["link"],
    )
