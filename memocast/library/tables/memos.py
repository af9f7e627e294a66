"""The memos in the database, and the search for them.

No function here reads more rows than it returns, except for a list of
everything and for a query that the index cannot narrow down: one of fewer than
three characters, or one that thousands of memos match.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from memocast.errors import NoSuchMemo
from memocast.formats.memo import ID_LENGTH, Memo
from memocast.library.tables.database import searched

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from memocast.files import FileStamp
    from memocast.library.draft import NewMemo
    from memocast.library.tables.database import Database

MEMO_COLUMNS = """
    memo.id, memo.title, memo.description, memo.created, memo.duration, memo.bytes, memo.format,
    memo.origin, memo.peaks, memo.lost,
    (SELECT channel.name FROM item JOIN channel ON channel.number = item.channel
        WHERE item.memo = memo.id AND secret = x'' LIMIT 1) AS channel,
    NOT EXISTS (SELECT 1 FROM item WHERE item.memo = memo.id AND NOT item.heard) AS heard
"""
"""The columns that `memo_of` reads."""

_SELECT = f"""
    SELECT {MEMO_COLUMNS},
        (SELECT info_hash FROM torrent WHERE torrent.memo = memo.id AND NOT paired
            ORDER BY mode = 'public' DESC, number DESC LIMIT 1) AS info_hash,
        EXISTS (SELECT 1 FROM torrent WHERE torrent.memo = memo.id AND shared) AS shared
    FROM memo
"""  # noqa: S608 - the columns are ours
_NEWEST_FIRST = " ORDER BY memo.created DESC, memo.number DESC"

_GRAM = 3
"""Characters; SQLite's 'trigram' tokenizer cannot index shorter pieces of text."""

_MOST_GRAMS = 16
"""The most grams used to narrow a query down; the whole text is compared afterwards."""

_MANY = 500
"""With this many matches or more, scanning the newest memos finds the first few sooner."""

_MOST_TOLD = 100


class Memos:
    """The memos in a library's database. Methods may raise LibraryError and OSError."""

    def __init__(self, database: Database, audio_folder: Path) -> None:
        self._database = database
        self._audio_folder = audio_folder

    def memos(
        self, query: str = "", limit: int | None = None, channel: int | None = None
    ) -> list[Memo]:
        """Return the memos, newest first.

        With `query`, only those that have it in the title or description, in any case; with
        the number of a `channel`, only those on it.
        """
        if channel is not None:
            rows = self._on(channel, query)
        else:
            rows = self._matching(query) if query else self._all()
        found = map(memo_of, rows)
        if limit is not None:
            return list(islice(filter(self._has_audio, found), limit))
        files = {entry.name for entry in os.scandir(self._audio_folder)}
        return [memo for memo in found if memo.filename in files]

    def rows(self) -> list[Memo]:
        """Return all memos in the database, newest first, even those whose audio is missing."""
        return [memo_of(row) for row in self._all()]

    def get(self, reference: str) -> Memo:
        """Return the memo for an id, a unique prefix of one, or `latest`. Raises NoSuchMemo."""
        wanted = reference.lower()
        # Arguments that are not UTF-8 contain lone surrogates, which SQLite does not accept.
        if len(wanted) == ID_LENGTH and wanted.isascii():
            return self.by_id(wanted)
        if wanted == "latest":
            return self._latest()
        fitting = self.starting_with(wanted, _MOST_TOLD + 1) if wanted else []
        if not fitting:
            raise NoSuchMemo(
                f"there is no memo '{reference}'", hint="list the memos: memocast list"
            )
        if len(fitting) > 1:
            count = f"more than {_MOST_TOLD}" if len(fitting) > _MOST_TOLD else f"{len(fitting)}"
            some = ", ".join(memo.id for memo in fitting[:4])
            raise NoSuchMemo(
                f"'{reference}' matches {count} memos: {some}{', …' * (len(fitting) > 4)}",
                hint="type more of the id",
            )
        return fitting[0]

    def by_id(self, memo_id: str) -> Memo:
        """Return the memo with that full id. Raises NoSuchMemo."""
        row = self._database.row(_SELECT + " WHERE memo.id = ?", (memo_id,))
        memo = memo_of(row) if row else None
        if memo is None or not self._has_audio(memo):
            raise NoSuchMemo(f"there is no memo '{memo_id}'", hint="list the memos: memocast list")
        return memo

    def starting_with(self, prefix: str, limit: int) -> list[Memo]:
        """Return up to `limit` memos whose ids start with `prefix`, in order of id."""
        if not prefix.isalnum() or not prefix.isascii():
            return []
        rows = self._database.each(
            _SELECT + " WHERE memo.id >= ? AND memo.id < ? ORDER BY memo.id",
            (prefix, prefix + "~"),  # "~" sorts after all letters
        )
        return list(islice(filter(self._has_audio, map(memo_of, rows)), limit))

    def is_known(self, memo_id: str) -> bool:
        """Return whether the database has that memo, even if its audio is missing."""
        found = self._database.row("SELECT 1 FROM memo WHERE id = ?", (memo_id,))
        return found is not None

    def pieces(self, memo: Memo) -> bytes:
        """Return the joined piece hashes of its audio; empty if none were made when it arrived."""
        row = self._database.row(
            "SELECT sha1 FROM pieces JOIN memo ON memo.number = pieces.memo WHERE id = ?",
            (memo.id,),
        )
        return row["sha1"] if row else b""

    def insert(self, new: NewMemo, stamp: FileStamp, digests: tuple[bytes, bytes]) -> None:
        """Insert a memo whose audio file has that `stamp`, inside the caller's transaction.

        `digests` are the SHA-256 of its audio and its joined piece hashes; each may be empty.
        """
        draft = new.draft
        size, mtime = stamp
        self._database.execute(
            "INSERT INTO memo (id, title, description, created, duration, bytes,"
            " format, origin, peaks, sha256, mtime, lost, search)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                draft.id,
                draft.title,
                draft.description,
                int(draft.created.timestamp()),
                new.duration,
                size,
                draft.format,
                draft.origin,
                new.peaks,
                digests[0],
                mtime,
                new.lost,
                searched(draft.title, draft.description),
            ),
        )
        if digests[1]:
            self._database.execute(
                "INSERT INTO pieces VALUES (last_insert_rowid(), ?)", (digests[1],)
            )

    def edit(self, memo: Memo, title: str | None, description: str | None) -> None:
        """Change the fields that are not None, inside the caller's transaction."""
        row = self._database.row(
            "UPDATE memo SET title = coalesce(?, title),"
            " description = coalesce(?, description) WHERE id = ?"
            " RETURNING title, description",
            (title, description, memo.id),
        )
        if row:
            self._database.execute(
                "UPDATE memo SET search = ? WHERE id = ?",
                (searched(row["title"], row["description"]), memo.id),
            )

    def _latest(self) -> Memo:
        rows = self._database.each(_SELECT + " ORDER BY memo.number DESC")
        memo = next(filter(self._has_audio, map(memo_of, rows)), None)
        if memo is None:
            raise NoSuchMemo("the library is empty", hint="record a memo: memocast record")
        return memo

    def _has_audio(self, memo: Memo) -> bool:
        return (self._audio_folder / memo.filename).exists()

    def _all(self) -> Iterator[sqlite3.Row]:
        return self._database.each(_SELECT + _NEWEST_FIRST)

    def _matching(self, query: str) -> Iterator[sqlite3.Row]:
        wanted = query.casefold()
        try:
            wanted.encode()
        except UnicodeEncodeError:  # no memo contains a lone surrogate
            return iter(())
        condition, values = " WHERE instr(memo.search, ?)", [wanted]
        grams = _grams(wanted)
        if grams and not self._are_many(grams):
            condition += " AND memo.number IN (SELECT rowid FROM memo_text WHERE memo_text MATCH ?)"
            values.append(grams)
        return self._database.each(_SELECT + condition + _NEWEST_FIRST, values)

    def _on(self, channel: int, query: str) -> Iterator[sqlite3.Row]:
        wanted = query.casefold().encode(errors="ignore").decode()
        condition = " WHERE memo.id IN (SELECT memo FROM item WHERE channel = ?)"
        condition += " AND instr(memo.search, ?)"
        return self._database.each(_SELECT + condition + _NEWEST_FIRST, (channel, wanted))

    def _are_many(self, grams: str) -> bool:
        row = self._database.row(
            "SELECT count(*) FROM (SELECT 1 FROM memo_text WHERE memo_text MATCH ? LIMIT ?)",
            (grams, _MANY),
        )
        return bool(row[0] == _MANY)


def _grams(text: str) -> str:
    """Return the FTS5 query for text that contains all these three-letter pieces."""
    count = len(text) - _GRAM + 1
    step = max(1, count // _MOST_GRAMS)
    pieces = dict.fromkeys(text[begin : begin + _GRAM] for begin in range(0, count, step))
    return " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)


def memo_of(row: sqlite3.Row) -> Memo:
    """Return the Memo in a row of `memo` joined with its `torrent`, if it has one."""
    return Memo(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        created=datetime.fromtimestamp(row["created"], UTC),
        duration=row["duration"],
        size=row["bytes"],
        format=row["format"],
        origin=row["origin"],
        peaks=row["peaks"],
        shared=bool(row["shared"]),
        info_hash=row["info_hash"],
        lost=row["lost"],
        channel=row["channel"],
        heard=bool(row["heard"]),
    )
