"""Library: the local folder that holds the memos, shared by any number of processes.

A memo exists when its row and its file do: the file is put in place first,
the row after, and what a crash leaves between the two is found again in
`incoming/`.
"""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from typing import TYPE_CHECKING

from memocast.errors import LibraryError
from memocast.files import (
    file_stamp,
    fsync_and_hash,
    fsync_and_hash_pieces,
    fsync_file,
    fsync_folder,
)
from memocast.formats.memo import Memo, Origin, new_id, now
from memocast.formats.torrent import piece_length
from memocast.library import backups
from memocast.library.draft import Draft, NewMemo
from memocast.library.ports import free_port
from memocast.library.staging import Staging, StagingEntry
from memocast.library.tables.database import Database
from memocast.library.tables.failures import translated
from memocast.library.tables.folders import FEEDS_FOLDER, SEALED_FOLDER
from memocast.library.tables.memos import Memos
from memocast.library.tables.pending_deletes import PendingDeletes
from memocast.library.tables.seedables import Seedables
from memocast.library.tables.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memocast.formats.channel import Channel
    from memocast.library.tables.channels import Channels
    from memocast.library.tables.feed_items import FeedItems
    from memocast.library.tables.feed_pages import FeedPages
    from memocast.library.tables.replicas import Replicas


class Library:
    """One library on disk. Every method may raise LibraryError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database_path = root / "library.db"
        self.audio_folder = root / "memos"
        with translated(self.database_path):
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(0o700, exist_ok=True)
            for name in ("memos", SEALED_FOLDER, FEEDS_FOLDER, "incoming", "log"):
                (root / name).mkdir(exist_ok=True)
            if not os.access(root, os.W_OK):
                raise PermissionError(13, "the folder is read-only", str(root))
        self.staging = Staging(root / "incoming")
        self._backups = backups.Backups(self.database_path, root / "backups")
        with self.translated():
            self._backups.refuse_to_begin_anew(self.audio_folder)
        self._database = Database(self.database_path)
        self._memos = Memos(self._database, self.audio_folder)
        self._pending_deletes = PendingDeletes(self._database, root)
        self.seedables = Seedables(self._database, root)
        self.shares = Shares(self._database, root, self._pending_deletes)
        with self.translated():
            self._pending_deletes.finish()

    @cached_property
    def channels(self) -> Channels:
        """The channels that its user has and follows."""
        from memocast.library.tables.channels import Channels

        return Channels(self._database)

    @cached_property
    def feed_items(self) -> FeedItems:
        """What is in their feeds."""
        from memocast.library.tables.feed_items import FeedItems

        return FeedItems(self._database)

    @cached_property
    def feed_pages(self) -> FeedPages:
        """The pages of their feeds."""
        from memocast.library.tables.feed_pages import FeedPages

        return FeedPages(self._database, self.root, self._pending_deletes, self.feed_items)

    @cached_property
    def replicas(self) -> Replicas:
        """What the user's paired devices agree on."""
        from memocast.library.tables.replicas import Replicas

        return Replicas(self._database)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def back_up(self) -> None:
        """Renew the copy of the database in `backups/`, when it is due.

        Raises DamagedLibrary when the database is not fit to be copied.
        """
        with self.translated():
            self._backups.back_up(self._database.connection)

    def backup_takes_long(self) -> bool:
        """Whether `back_up` would take longer than somebody should wait who did not ask for it."""
        with self.translated():
            return self._backups.takes_long(self._database.connection)

    # -- reading ---------------------------------------------------------------

    def memos(
        self, query: str = "", limit: int | None = None, channel: Channel | None = None
    ) -> list[Memo]:
        """Newest first; with `query`, those with it in title or description, whatever the case.

        With a `channel`, those that are on it.
        """
        with self.translated():
            return self._memos.memos(query, limit, channel.number if channel else None)

    def rows(self) -> list[Memo]:
        """What the database knows, newest first, whether the audio files are there or not."""
        with self.translated():
            return self._memos.rows()

    def get(self, reference: str) -> Memo:
        """The memo of an id, a unique prefix of one, or `latest`: the last that came in.

        Raises NoSuchMemo.
        """
        with self.translated():
            return self._memos.get(reference)

    def starting_with(self, prefix: str, limit: int) -> list[Memo]:
        """Up to `limit` memos whose ids begin so, in the order of their ids."""
        with self.translated():
            return self._memos.starting_with(prefix, limit)

    def pieces(self, memo: Memo) -> bytes:
        """The piece hashes of its audio, joined; empty where it came without need of them."""
        with self.translated():
            return self._memos.pieces(memo)

    def path(self, memo: Memo) -> Path:
        """The memo's audio file."""
        return self.audio_folder / memo.filename

    # -- writing ---------------------------------------------------------------

    def draft(self, title: str, description: str, format_: str, origin: Origin) -> Draft:
        """A draft made now, under an id that nothing in the library has."""
        id_ = new_id()
        with self.translated():
            while self._memos.is_known(id_):
                id_ = new_id()
        return Draft(id_, title, description, now(), format_, origin)

    def keep(self, entry: StagingEntry, new: NewMemo) -> Memo:
        """Make the entry's audio a memo, and the entry disappear.

        When another process kept the same torrent meanwhile, its memo is returned.
        """
        draft = new.draft
        audio = entry.audio(draft.format)
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            digests = _digests(audio, new)
            entry.use_room()
            entry.note({**entry.facts(), **draft.to_facts()})
            try:
                audio.rename(target)
                fsync_folder(self.audio_folder)
                memo_id = self._insert(new, target, digests)
            except BaseException:
                self._database.roll_back()
                # Ctrl-C can come before the file was moved, and after the row was written.
                if target.exists() and not self._memos.is_known(draft.id):
                    target.rename(audio)
                raise
            if memo_id != draft.id:
                target.rename(audio)
        entry.discard()
        return self._memos.by_id(memo_id)

    def _insert(self, new: NewMemo, path: Path, digests: tuple[bytes, bytes]) -> str:
        draft, share = new.draft, new.share
        with self._database.transaction():
            twin = self.shares.owner(share.torrent) if share else None
            if twin:
                return twin
            self._memos.insert(new, file_stamp(path), digests)
            if share:
                self.shares.insert(draft.id, share, new.age_file)
            if draft.item is not None:
                self.feed_items.settle(draft.item, draft.id)
        return draft.id

    def edit(self, memo: Memo, title: str | None = None, description: str | None = None) -> Memo:
        """Change what is not None here; links already given out stay as they are."""
        with self._database.transaction():
            self._memos.edit(memo, title, description)
        return self._memos.by_id(memo.id)

    def remove(self, memo: Memo) -> None:
        """Delete the memo, its row, then its files. A seeder drops it in 2 s. Not in `together`."""
        with self.translated():
            try:
                with self._database.transaction():
                    self._pending_deletes.add([self.path(memo), *self.shares.age_files(memo)])
                    self._database.execute("DELETE FROM memo WHERE id = ?", (memo.id,))
            finally:  # at Ctrl-C too; after a kill, whoever opens the library next does it
                self._database.roll_back()
                self._pending_deletes.finish()

    def restore(self, new: NewMemo) -> Memo:
        """Give audio that lies in `memos/` under the draft's name its row back."""
        path = self.audio_folder / f"{new.draft.id}.{new.draft.format}"
        with self.translated():
            self._insert(new, path, _digests(path, new))
        return self._memos.by_id(new.draft.id)

    def recover(self, entry: StagingEntry) -> Draft | None:
        """The draft noted in an entry left behind; None when there is nothing to finish.

        Undoes a `keep` that died between putting the file in place and the row.
        """
        draft = Draft.from_facts(entry.facts())
        if draft is None:
            return None
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            if self._memos.is_known(draft.id):
                # Kept; but when it was interrupted right after that, the file is back here.
                audio = entry.audio(draft.format)
                if audio.exists() and not target.exists():
                    audio.rename(target)
                return None
            if target.exists():
                target.rename(entry.audio(draft.format))
        return draft

    @contextlib.contextmanager
    def atomically(self) -> Iterator[None]:
        """All that the block changes takes effect at once, or nothing does.

        Whatever of it fails must end the block: what was changed before that is undone by then.
        """
        begun = False
        with self.translated():
            try:
                with self._database.transaction():
                    begun = True
                    yield
            except BaseException:
                if begun:
                    with contextlib.suppress(LibraryError):
                        self.feed_pages.sweep()
                raise
            self._pending_deletes.finish()

    # -- what processes agree on -----------------------------------------------

    def listen_port(self, *, lan: bool = False) -> int:
        """The port this library listens on, or that of its LAN session: chosen once, and kept."""
        key = "lan_port" if lan else "listen_port"
        chosen = str(free_port())
        with self._database.transaction():
            self._database.execute("INSERT OR IGNORE INTO state VALUES (?, ?)", (key, chosen))
            row = self._database.row("SELECT value FROM state WHERE key = ?", (key,))
        return int(row["value"])

    def revision(self) -> int:
        """Changes whenever another process has changed the library."""
        return int(self._database.row("PRAGMA data_version")[0])

    def check(self) -> None:
        """Raises DamagedLibrary when SQLite's own check finds something wrong."""
        with self.translated():
            self._backups.check(self._database.connection)

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """A block whose OSError and sqlite3.Error come out as LibraryError."""
        return translated(self.database_path)


def _digests(path: Path, new: NewMemo) -> tuple[bytes, bytes]:
    """The SHA-256 of the audio, and its piece hashes, for when it is shared.

    What was fetched has a torrent already. Where that hashes the audio itself, piece by
    piece, and the swarm has just compared them, nothing is hashed once more.
    """
    share = new.share
    if share and share.torrent.has_pieces and not share.sealed:
        fsync_file(path)
        return b"", b""
    if new.draft.origin == "fetched":
        return fsync_and_hash(path), b""
    return fsync_and_hash_pieces(path, piece_length(path.stat().st_size))
