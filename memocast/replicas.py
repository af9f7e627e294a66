"""Replicas: a library's own copy of what its paired devices agree on."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from memocast import database
from memocast.replica import Entry, Stamp, union

if TYPE_CHECKING:
    import contextlib
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

_DEVICE = "device"


class Replicas:
    """The state of a library as its paired devices see it. Methods may raise LibraryError."""

    def __init__(self, connection: sqlite3.Connection, root: Path) -> None:
        self._database = connection
        self._path = root / "library.db"

    def state(self) -> dict[str, Entry]:
        """Every entry, by key."""
        with self._translated():
            rows = self._database.execute("SELECT * FROM replica").fetchall()
            return {row["key"]: _entry(row) for row in rows}

    def memos(self) -> dict[str, str]:
        """The local memos of the entries that have one: ids by key."""
        with self._translated():
            rows = self._database.execute(
                "SELECT key, memo FROM replica JOIN memo ON memo.id = replica.memo"
            ).fetchall()
            return {row["key"]: row["memo"] for row in rows}

    def collect(self) -> None:
        """Take in what was changed here, each change at the moment when it was made."""
        with self._translated(), database.transaction(self._database):
            device = self._device()
            edits = self._edits()
            for row in self._database.execute(
                "SELECT memo.id, memo.title, memo.description, memo.created, memo.duration,"
                " memo.bytes, memo.origin, replica.key, (SELECT info_hash FROM torrent"
                " WHERE torrent.memo = memo.id AND arrived AND mode = 'public') AS arrived"
                " FROM memo"
                " LEFT JOIN replica ON replica.memo = memo.id"
            ).fetchall():
                self._collect_memo(row, edits, device)
            for row in self._database.execute(
                "SELECT replica.* FROM replica LEFT JOIN memo ON memo.id = replica.memo"
                " WHERE replica.memo IS NOT NULL AND memo.id IS NULL"
            ).fetchall():
                entry = _entry(row)
                moment = edits.get((row["memo"], "removed"))
                if moment is not None and entry.is_alive:
                    last = max(entry.title_at, entry.description_at, entry.removed_at)
                    entry = replace(entry, removed_at=last.next(moment, device))
                self._write(entry, None)
            self._database.execute("DELETE FROM edit")

    def _collect_memo(
        self, row: sqlite3.Row, edits: dict[tuple[str, str], int], device: str
    ) -> None:
        key = row["key"] or row["arrived"] or row["id"]
        known = self._database.execute("SELECT * FROM replica WHERE key = ?", (key,)).fetchone()
        if known is None:
            added = Stamp(edits.get((row["id"], "added"), row["created"] * 1000), 0, device)
            entry = Entry(
                key=key,
                title=row["title"],
                title_at=added,
                description=row["description"],
                description_at=added,
                created=row["created"],
                duration=row["duration"],
                size=row["bytes"],
                origin=row["origin"],
            )
            self._write(entry, row["id"])
            return
        before = entry = _entry(known)
        for name in ("title", "description"):
            at: Stamp = getattr(entry, f"{name}_at")
            # Without an edit, it is what others changed that did not reach the memo yet.
            moment = edits.get((row["id"], name))
            if getattr(entry, name) != row[name] and moment is not None:
                changed = {name: row[name], f"{name}_at": at.next(moment, device)}
                entry = replace(entry, **changed)
        if entry != before or known["memo"] != row["id"]:
            self._write(entry, row["id"])

    def merge(self, entries: Iterable[Entry]) -> None:
        """Take in what another device knows."""
        with self._translated(), database.transaction(self._database):
            entries = list(entries)
            known = {entry.key: found for entry in entries if (found := self._known(entry.key))}
            memos = {key: memo for key, (_, memo) in known.items()}
            before = {key: entry for key, (entry, _) in known.items()}
            for key, entry in union(before, entries).items():
                if entry != before.get(key):
                    self._write(entry, memos.get(key))

    def _known(self, key: str) -> tuple[Entry, str | None] | None:
        row = self._database.execute("SELECT * FROM replica WHERE key = ?", (key,)).fetchone()
        return (_entry(row), row["memo"]) if row else None

    def lead_to(self, key: str, link: str) -> None:
        """The audio of that entry is had by this link."""
        with self._translated():
            self._database.execute("UPDATE replica SET link = ? WHERE key = ?", (link, key))

    def settle(self, key: str, memo: str | None) -> None:
        """The entry is that memo here, or none any more."""
        with self._translated():
            self._database.execute("UPDATE replica SET memo = ? WHERE key = ?", (memo, key))

    def forget(self) -> None:
        """Have no copy of the state any more; memos stay as they are."""
        with self._translated(), database.transaction(self._database):
            self._database.execute("DELETE FROM replica")
            self._database.execute("DELETE FROM edit")
            self._database.execute("DELETE FROM state WHERE key = ?", (_DEVICE,))

    def _write(self, entry: Entry, memo: str | None) -> None:
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
        """When what was last changed here, in ms, by memo and field."""
        rows = self._database.execute("SELECT memo, field, at FROM edit ORDER BY number")
        return {(row["memo"], row["field"]): row["at"] for row in rows}

    def _device(self) -> str:
        chosen = os.urandom(8).hex()
        self._database.execute("INSERT OR IGNORE INTO state VALUES (?, ?)", (_DEVICE, chosen))
        row = self._database.execute("SELECT value FROM state WHERE key = ?", (_DEVICE,)).fetchone()
        return str(row["value"])

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return database.translated(self._path)


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        key=row["key"],
        title=row["title"],
        title_at=Stamp(*json.loads(row["title_at"])),
        description=row["description"],
        description_at=Stamp(*json.loads(row["description_at"])),
        removed_at=Stamp(*json.loads(row["removed_at"])),
        created=row["created"],
        duration=row["duration"],
        size=row["bytes"],
        origin=row["origin"],
        link=row["link"],
    )
