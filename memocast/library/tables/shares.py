"""The shares of a library's memos, with their upload tallies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.errors import MemocastError
from memocast.files import file_stamp, fsync_and_hash, fsync_folder
from memocast.formats.share import Share
from memocast.formats.torrent import Torrent
from memocast.library.tables.folders import SEALED_FOLDER
from memocast.library.tables.memos import MEMO_COLUMNS, memo_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from memocast.formats.memo import Memo
    from memocast.library.tables.database import Database
    from memocast.library.tables.pending_deletes import PendingDeletes

_MEMO = f"""
    SELECT {MEMO_COLUMNS}, torrent.info_hash, torrent.shared
    FROM memo JOIN torrent ON torrent.memo = memo.id
    WHERE ? IN (info_hash, second_hash) OR ? IN (info_hash, second_hash)
"""  # noqa: S608 - the columns are ours


class Shares:
    """The shares of a library's memos. Every method may raise LibraryError."""

    def __init__(self, database: Database, root: Path, pending_deletes: PendingDeletes) -> None:
        self._database = database
        self._memos = root / "memos"
        self._sealed = root / SEALED_FOLDER
        self._pending_deletes = pending_deletes

    def of(self, memo: Memo) -> list[Share]:
        """Return the memo's present and past shares, unsealed ones first."""
        rows = self._database.rows(
            "SELECT * FROM torrent WHERE memo = ? ORDER BY mode DESC, number", (memo.id,)
        )
        return [_share_of(row) for row in rows]

    def memo(self, info_hashes: tuple[str, ...]) -> Memo | None:
        """Return the memo whose torrent has one of these one or two info-hashes, or None."""
        row = self._database.row(
            _MEMO,
            (info_hashes[0], info_hashes[-1]),
        )
        if row is None:
            return None
        memo = memo_of(row)
        return memo if (self._memos / memo.filename).exists() else None

    def add(self, memo: Memo, share: Share, age_file: Path | None = None) -> Share:
        """Add a share of the memo and return it, or the equal one that another process added first.

        The `age_file` of a sealed share is moved into the library.
        """
        with self._database.transaction():
            known = self._database.row(
                "SELECT * FROM torrent WHERE memo = ? AND mode = ? AND recipients = ?",
                (memo.id, share.mode, "\n".join(share.recipients)),
            )
            if known is not None:
                found = _share_of(known)
                return found if share.paired else self._renewed(found)
            twin = self.owner(share.torrent)
            if twin:
                raise MemocastError(
                    f"memo {memo.id} makes the same torrent as memo {twin}",
                    hint=f"share that one: memocast share {twin}",
                )
            self.insert(memo.id, share, age_file)
            return share

    def share_again(self, share: Share, first: Callable[[Share], None] = lambda _: None) -> Share:
        """Share it again as before; `first` is called before that and may raise."""
        first(share)
        with self._database.transaction():
            return self._renewed(share)

    def _renewed(self, share: Share) -> Share:
        self._database.execute(
            "UPDATE torrent SET shared = 1, stopped = 0, lan = ?, wanted = ? WHERE info_hash = ?",
            (int(share.lan), int(time.time()), share.info_hash),
        )
        return share

    def insert(self, memo_id: str, share: Share, age_file: Path | None) -> None:
        """Add this share to the memo, inside the caller's transaction."""
        digest = b""
        size = mtime = 0
        if age_file:
            digest = fsync_and_hash(age_file)
            size, mtime = file_stamp(age_file)
        torrent = share.torrent
        self._database.execute(
            "INSERT INTO torrent (memo, mode, recipients, key, lan, arrived, shared, info_hash,"
            " second_hash, content, dn, trackers, bytes, mtime, sha256, wanted, paired,"
            " public_only)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                memo_id,
                share.mode,
                "\n".join(share.recipients),
                share.age_identity,
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
                int(share.paired),
                int(torrent.public_only),
            ),
        )
        if age_file:
            target = self.age_file(share.info_hash)
            self._pending_deletes.cancel(target)
            # Last, just before the commit. If a crash comes between the two, the owner of the
            # staging entry takes the file back or deletes it.
            age_file.rename(target)
            fsync_folder(self._sealed)

    def age_file(self, info_hash: str) -> Path:
        """Return the path of a sealed share's age file."""
        return self._sealed / f"{info_hash}.age"

    def stop(self, memo: Memo) -> list[Share]:
        """Stop sharing the memo; return its shares until now.

        Our own sealed shares are deleted with their keys. Other shares keep
        their links when the memo is shared again.
        """
        with self._database.transaction():
            before = [
                _share_of(row)
                for row in self._database.rows(
                    "SELECT * FROM torrent WHERE memo = ? AND NOT stopped AND NOT paired",
                    (memo.id,),
                )
            ]
            self._pending_deletes.add(
                self.age_file(share.info_hash)
                for share in before
                if share.sealed and not share.arrived
            )
            self._database.execute(
                "DELETE FROM torrent WHERE memo = ? AND mode != 'public' AND NOT arrived"
                " AND NOT paired",
                (memo.id,),
            )
            self._database.execute(
                "UPDATE torrent SET shared = 0, stopped = 1 WHERE memo = ? AND NOT paired",
                (memo.id,),
            )
        self._pending_deletes.finish()
        return before

    def unpair(self) -> None:
        """Delete the shares that were for the user's other devices."""
        with self._database.transaction():
            rows = self._database.rows("SELECT info_hash FROM torrent WHERE paired")
            self._pending_deletes.add(self.age_file(row["info_hash"]) for row in rows)
            self._database.execute("DELETE FROM torrent WHERE paired")
        self._pending_deletes.finish()

    def age_files(self, memo: Memo) -> list[Path]:
        """Return the paths of the memo's age files, inside the caller's transaction."""
        rows = self._database.rows(
            "SELECT info_hash FROM torrent WHERE memo = ? AND mode != 'public'", (memo.id,)
        )
        return [self.age_file(row["info_hash"]) for row in rows]

    def take_back(self, info_hash: str) -> None:
        """Delete the age file of a share that was not added."""
        with self._database.transaction():
            known = self._database.row("SELECT 1 FROM torrent WHERE info_hash = ?", (info_hash,))
            if known is None:
                self.age_file(info_hash).unlink(missing_ok=True)

    def owner(self, torrent: Torrent) -> str | None:
        """Return the id of the memo that has this torrent, inside the caller's transaction.

        A row whose file is gone is deleted, which frees the info-hash.
        """
        row = self._database.row(
            "SELECT id, format FROM memo JOIN torrent ON torrent.memo = memo.id"
            " WHERE info_hash = ?",
            (torrent.info_hash,),
        )
        if row is None:
            return None
        if (self._memos / f"{row['id']}.{row['format']}").exists():
            return str(row["id"])
        self._database.execute("DELETE FROM memo WHERE id = ?", (row["id"],))
        return None

    def add_to_tally(self, info_hash: str, uploaded: int, copies: int, seen: int | None) -> None:
        """Add `uploaded` bytes and `copies` complete peers, last seen at `seen` in unix seconds."""
        self._database.execute(
            "UPDATE torrent SET uploaded = uploaded + ?, copies = copies + ?,"
            " last_copy = coalesce(?, last_copy), wanted = ? WHERE info_hash = ?",
            (uploaded, copies, seen, int(time.time()), info_hash),
        )


def _share_of(row: sqlite3.Row) -> Share:
    return Share(
        Torrent(
            info_hash=row["info_hash"],
            content=row["content"],
            dn=row["dn"],
            trackers=tuple(row["trackers"].split("\n")) if row["trackers"] else (),
            second_hash=row["second_hash"],
            public_only=bool(row["public_only"]),
        ),
        mode=row["mode"],
        age_identity=row["key"],
        recipients=tuple(row["recipients"].split("\n")) if row["recipients"] else (),
        lan=bool(row["lan"]),
        arrived=bool(row["arrived"]),
        shared=bool(row["shared"]),
        stopped=bool(row["stopped"]),
        paired=bool(row["paired"]),
    )
