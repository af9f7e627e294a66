"""Shares: in which ways the memos of a library are shared, and how that fared."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memocast import database
from memocast.errors import MemocastError
from memocast.files import Stamp, fsync_and_hash, fsync_folder, stamp
from memocast.share import Share
from memocast.torrent import Torrent

if TYPE_CHECKING:
    import contextlib
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from memocast.memo import Memo
    from memocast.removals import Removals

SEALED_FOLDER = "sealed"
"""In a library: the age files, each named by its torrent's info-hash."""

_JOINED = """
    SELECT memo.*, torrent.*, torrent.bytes AS age_bytes, torrent.mtime AS age_mtime,
        torrent.sha256 AS age_sha256
    FROM memo JOIN torrent ON torrent.memo = memo.id
"""
_SEEDABLE = "(torrent.shared OR (? AND arrived AND NOT stopped))"
"""With whether what came by a link counts."""


@dataclass(frozen=True, slots=True)
class Seedable:
    """A shared memo: its file, sealed or not, and whether that is still what was hashed."""

    memo: Memo
    share: Share
    path: Path
    stamp: Stamp
    intact: bool
    size: int

    @property
    def torrent(self) -> Torrent:
        """The share's."""
        return self.share.torrent


@dataclass(frozen=True, slots=True)
class Tally:
    """What a torrent's swarm took so far.

    `uploaded` in bytes; `copies`: how many complete peers were ever seen, and
    `last_copy`: when the last one was, in unix seconds.
    """

    uploaded: int = 0
    copies: int = 0
    last_copy: int | None = None


class Shares:
    """The shares of a library's memos. Every method may raise LibraryError."""

    def __init__(self, connection: sqlite3.Connection, root: Path, removals: Removals) -> None:
        self._database = connection
        self._path = root / "library.db"
        self._memos = root / "memos"
        self._sealed = root / SEALED_FOLDER
        self._removals = removals

    def of(self, memo: Memo) -> list[Share]:
        """The ways in which the memo is or was shared, plain ones first."""
        with self._translated():
            rows = self._database.execute(
                "SELECT * FROM torrent WHERE memo = ? ORDER BY mode DESC, number", (memo.id,)
            ).fetchall()
            return [_share(row) for row in rows]

    def memo(self, info_hashes: tuple[str, ...]) -> Memo | None:
        """The memo that has a torrent with one of these info-hashes, one or two, if it exists."""
        with self._translated():
            row = self._database.execute(
                "SELECT memo.*, torrent.info_hash, torrent.shared FROM memo"
                " JOIN torrent ON torrent.memo = memo.id"
                " WHERE ? IN (info_hash, second_hash) OR ? IN (info_hash, second_hash)",
                (info_hashes[0], info_hashes[-1]),
            ).fetchone()
        if row is None:
            return None
        memo = database.memo(row)
        return memo if (self._memos / memo.filename).exists() else None

    def add(self, memo: Memo, share: Share, age_file: Path | None = None) -> Share:
        """Share the memo so from now on; of two processes that begin to, one's share is kept.

        The `age_file` of a sealed share is moved to where such files are.
        """
        with self._translated(), database.transaction(self._database):
            known = self._database.execute(
                "SELECT * FROM torrent WHERE memo = ? AND mode = ? AND recipients = ?",
                (memo.id, share.mode, "\n".join(share.recipients)),
            ).fetchone()
            if known is not None:
                return self._renewed(_share(known))
            twin = self.owner(share.torrent)
            if twin:
                raise MemocastError(
                    f"memo {memo.id} makes the same torrent as memo {twin}",
                    hint=f"share that one: memocast share {twin}",
                )
            self.insert(memo.id, share, age_file)
            return share

    def renew(self, share: Share, first: Callable[[Share], None] = lambda _: None) -> Share:
        """Share it once more, as it was shared before; `first` may still refuse to."""
        first(share)
        with self._translated(), database.transaction(self._database):
            return self._renewed(share)

    def _renewed(self, share: Share) -> Share:
        self._database.execute(
            "UPDATE torrent SET shared = 1, stopped = 0, lan = ?, wanted = ? WHERE info_hash = ?",
            (int(share.lan), int(time.time()), share.info_hash),
        )
        return share

    def insert(self, memo_id: str, share: Share, age_file: Path | None) -> None:
        """Give a memo this share, inside a transaction of the caller's."""
        digest = b""
        size = mtime = 0
        if age_file:
            digest = fsync_and_hash(age_file)
            size, mtime = stamp(age_file)
        torrent = share.torrent
        self._database.execute(
            "INSERT INTO torrent (memo, mode, recipients, key, lan, arrived, shared, info_hash,"
            " second_hash, content, dn, trackers, bytes, mtime, sha256, wanted)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                memo_id,
                share.mode,
                "\n".join(share.recipients),
                share.key,
                int(share.lan),
                int(share.arrived),
                int(share.shared),
                torrent.info_hash,
                torrent.second_hash,
                torrent.content,
                torrent.dn,
                "\n".join(torrent.trackers),
                size,
                mtime,
                digest,
                int(time.time()),
            ),
        )
        if age_file:
            target = self.age_file(share.info_hash)
            self._removals.call_off(target)
            # As the last thing before the end of the transaction. What a crash leaves between
            # the two, whoever owns the entry it came from takes back or deletes.
            age_file.rename(target)
            fsync_folder(self._sealed)

    def age_file(self, info_hash: str) -> Path:
        """Where the age file of a sealed share is."""
        return self._sealed / f"{info_hash}.age"

    def stop(self, memo: Memo) -> list[Share]:
        """Offer the memo no more; return how it was shared until now.

        A sealed share of our own is forgotten with its key. The link of any
        other is the same when it is shared once more.
        """
        with self._translated():
            with database.transaction(self._database):
                before = [
                    _share(row)
                    for row in self._database.execute(
                        "SELECT * FROM torrent WHERE memo = ? AND NOT stopped", (memo.id,)
                    ).fetchall()
                ]
                self._removals.intend(
                    self.age_file(share.info_hash)
                    for share in before
                    if share.sealed and not share.arrived
                )
                self._database.execute(
                    "DELETE FROM torrent WHERE memo = ? AND mode != 'public' AND NOT arrived",
                    (memo.id,),
                )
                self._database.execute(
                    "UPDATE torrent SET shared = 0, stopped = 1 WHERE memo = ?", (memo.id,)
                )
            self._removals.finish()
        return before

    def age_files(self, memo: Memo) -> list[Path]:
        """The age files of the memo's shares, inside the caller's transaction."""
        rows = self._database.execute(
            "SELECT info_hash FROM torrent WHERE memo = ? AND mode != 'public'", (memo.id,)
        )
        return [self.age_file(row["info_hash"]) for row in rows]

    def take_back(self, info_hash: str) -> None:
        """Delete the age file of a share that never came about."""
        with self._translated(), database.transaction(self._database):
            known = self._database.execute(
                "SELECT 1 FROM torrent WHERE info_hash = ?", (info_hash,)
            ).fetchone()
            if known is None:
                self.age_file(info_hash).unlink(missing_ok=True)

    def owner(self, torrent: Torrent) -> str | None:
        """The id of the memo that has this torrent; inside the caller's transaction.

        A row whose file is gone is no memo, and gives the info-hash free.
        """
        row = self._database.execute(
            "SELECT id, format FROM memo JOIN torrent ON torrent.memo = memo.id"
            " WHERE info_hash = ?",
            (torrent.info_hash,),
        ).fetchone()
        if row is None:
            return None
        if (self._memos / f"{row['id']}.{row['format']}").exists():
            return str(row["id"])
        self._database.execute("DELETE FROM memo WHERE id = ?", (row["id"],))
        return None

    def seedable(self, *, fetched: bool) -> list[Seedable]:
        """Every shared memo and, with `fetched`, every memo that came by a link; newest first."""
        return self._seedables(
            f"{_SEEDABLE} ORDER BY created DESC, memo.number DESC, torrent.number", fetched
        )

    def for_browsers(self, *, fetched: bool, every: bool, limit: int) -> list[Seedable]:
        """Of `seedable`, the `limit` last shared or asked for that a browser could fetch.

        Browsers know no torrents of version 2 only, and meet on WebSocket
        trackers: unless `every` memo has one, only those with one of their own count.
        """
        return self._seedables(
            f"{_SEEDABLE} AND NOT lan AND length(info_hash) = 40"
            " AND (? OR trackers LIKE '%ws://%' OR trackers LIKE '%wss://%')"
            " ORDER BY wanted DESC, memo.number DESC LIMIT ?",
            fetched,
            every,
            limit,
        )

    def _seedables(self, condition: str, *values: object) -> list[Seedable]:
        with self._translated():
            rows = self._database.execute(f"{_JOINED} WHERE {condition}", values).fetchall()
            return [self._seedable(row) for row in rows]

    def answers(self, share: Share) -> bool:
        """Whether the file that the share offers, sealed or not, is the one that was hashed."""
        return all(found.intact for found in self._seedables("info_hash = ?", share.info_hash))

    def is_intact(self, memo: Memo) -> bool:
        """Whether the audio file is, byte for byte, what the library took in."""
        with self._translated():
            row = self._database.execute("SELECT * FROM memo WHERE id = ?", (memo.id,)).fetchone()
            path = self._memos / memo.filename
            kept = (row["bytes"], row["mtime"], row["sha256"]) if row else None
            return kept is not None and self._is_intact(
                kept, path, stamp(path), "UPDATE memo SET mtime = ? WHERE id = ?", memo.id
            )

    def tally(self, share: Share) -> Tally:
        """How the share's torrent fared in all runs of the seeder."""
        with self._translated():
            row = self._database.execute(
                "SELECT * FROM torrent WHERE info_hash = ?", (share.info_hash,)
            ).fetchone()
        return Tally(row["uploaded"], row["copies"], row["last_copy"]) if row else Tally()

    def add_to_tally(self, info_hash: str, uploaded: int, copies: int, seen: int | None) -> None:
        """Count `uploaded` more bytes and `copies` more complete peers, last seen then."""
        with self._translated():
            self._database.execute(
                "UPDATE torrent SET uploaded = uploaded + ?, copies = copies + ?,"
                " last_copy = coalesce(?, last_copy), wanted = ? WHERE info_hash = ?",
                (uploaded, copies, seen, int(time.time()), info_hash),
            )

    def _seedable(self, row: sqlite3.Row) -> Seedable:
        memo = database.memo(row)
        share = _share(row)
        if share.sealed:
            path = self.age_file(share.info_hash)
            kept = (row["age_bytes"], row["age_mtime"], row["age_sha256"])
            update, key = "UPDATE torrent SET mtime = ? WHERE info_hash = ?", share.info_hash
        else:
            path = self._memos / memo.filename
            kept = (row["bytes"], row["mtime"], row["sha256"])
            update, key = "UPDATE memo SET mtime = ? WHERE id = ?", memo.id
        found = stamp(path)
        intact = self._is_intact(kept, path, found, update, key)
        return Seedable(memo, share, path, found, intact, kept[0])

    def _is_intact(
        self, kept: tuple[int, int, bytes], path: Path, found: Stamp, update: str, key: str
    ) -> bool:
        """Whether a file is what was `kept`: its size, time and SHA-256."""
        size, mtime = found
        if (size, mtime) == kept[:2]:
            return True
        if size != kept[0]:
            return False
        import hashlib

        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return False
        if digest != kept[2]:
            return False
        # Copied or touched: another time, the same content. Hash it only once.
        self._database.execute(update, (mtime, key))
        return True

    def _translated(self) -> contextlib.AbstractContextManager[None]:
        return database.translated(self._path)


def _share(row: sqlite3.Row) -> Share:
    return Share(
        Torrent(
            info_hash=row["info_hash"],
            content=row["content"],
            dn=row["dn"],
            trackers=tuple(row["trackers"].split("\n")) if row["trackers"] else (),
            second_hash=row["second_hash"],
        ),
        mode=row["mode"],
        key=row["key"],
        recipients=tuple(row["recipients"].split("\n")) if row["recipients"] else (),
        lan=bool(row["lan"]),
        arrived=bool(row["arrived"]),
        shared=bool(row["shared"]),
        stopped=bool(row["stopped"]),
    )
