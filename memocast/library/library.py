"""The local folder that holds the memos, shared by any number of processes.

A memo exists when both its row and its file do. The file is put in place first
and the row is written after it; a crash between the two is repaired from the
entry in `incoming/`.
"""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from memocast.errors import LibraryError, NoRoom
from memocast.files import file_stamp, fsync_folder
from memocast.formats.memo import Memo, Origin, new_id, now
from memocast.library import backups
from memocast.library.draft import Draft, NewMemo, digests_of
from memocast.library.opening import open_database
from memocast.library.reserve import Reserve
from memocast.library.staging import Staging, StagingEntry
from memocast.library.tables.failures import translated
from memocast.library.tables.memos import Memos
from memocast.library.tables.pending_deletes import PendingDeletes
from memocast.library.tables.seedables import Seedables
from memocast.library.tables.shares import Shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from memocast.errors import Unwritable
    from memocast.formats.channel import Channel
    from memocast.library.opening import Purpose
    from memocast.library.tables.channels import Channels
    from memocast.library.tables.feed_items import FeedItems
    from memocast.library.tables.feed_pages import FeedPages
    from memocast.library.tables.replicas import Replicas

    R = TypeVar("R")


class Library:
    """One library on disk. Every method may raise LibraryError."""

    def __init__(self, root: Path, purpose: Purpose = "change") -> None:
        """Open the library in the folder `root`, which is made if there is none."""
        self.root = root
        self.database_path = root / "library.db"
        self.audio_folder = root / "memos"
        self.staging = Staging(root / "incoming")
        self._backups = backups.Backups(self.database_path, root / "backups")
        self._reserve = Reserve(root / "reserve")
        self._database = open_database(self.database_path, purpose, self._backups, self._reserve)
        self._memos = Memos(self._database, self.audio_folder)
        self._pending_deletes = PendingDeletes(self._database, root)
        self.seedables = Seedables(self._database, root)
        self.shares = Shares(self._database, root, self._pending_deletes)
        if self.refusal is None:
            with self.translated():
                self._pending_deletes.finish()

    @property
    def refusal(self) -> Unwritable | None:
        """Why nothing can be changed, when the library was opened only to be read; else None."""
        return self._database.refusal

    @cached_property
    def channels(self) -> Channels:
        """The user's own channels and the followed ones."""
        from memocast.library.tables.channels import Channels

        return Channels(self._database)

    @cached_property
    def feed_items(self) -> FeedItems:
        """The items in the channels' feeds."""
        from memocast.library.tables.feed_items import FeedItems

        return FeedItems(self._database)

    @cached_property
    def feed_pages(self) -> FeedPages:
        """The pages of the channels' feeds."""
        from memocast.library.tables.feed_pages import FeedPages

        return FeedPages(self._database, self.root, self._pending_deletes, self.feed_items)

    @cached_property
    def replicas(self) -> Replicas:
        """The state that the user's paired devices share."""
        from memocast.library.tables.replicas import Replicas

        return Replicas(self._database)

    def close(self) -> None:
        """Close the database."""
        self._database.close()
        self._reserve.take_back()  # the database has emptied and deleted its log

    def set_room_aside(self) -> None:
        """Reserve disk space in which to delete memos once the disk is full, if there is plenty."""
        self._reserve.make()

    def freeing(self, action: Callable[[], R]) -> R:
        """Return the result of `action`, which frees disk space, and takes a little before that.

        It is all undone if it fails. If the disk is full it is tried again in the reserved space.
        """
        try:
            return action()
        except NoRoom:
            if self.refusal is not None:
                raise
        self._database.empty_log()
        self._reserve.give_up()
        try:
            return action()
        finally:
            self._database.empty_log()
            self._reserve.take_back()

    def back_up(self) -> None:
        """Renew the copy of the database in `backups/` when it is due.

        Raises DamagedLibrary when the database fails its check.
        """
        with self.translated():
            self._backups.back_up(self._database.connection)

    def backup_takes_long(self) -> bool:
        """Return whether `back_up` would take longer than a user should wait at a terminal."""
        with self.translated():
            return self._backups.takes_long(self._database.connection)

    # -- reading ---------------------------------------------------------------

    def memos(
        self, query: str = "", limit: int | None = None, channel: Channel | None = None
    ) -> list[Memo]:
        """Return the memos, newest first.

        With `query`, only those that have it in the title or description, in any case; with
        a `channel`, only those on it.
        """
        with self.translated():
            return self._memos.memos(query, limit, channel.number if channel else None)

    def rows(self) -> list[Memo]:
        """Return all memos in the database, newest first, even those whose audio is missing."""
        with self.translated():
            return self._memos.rows()

    def get(self, reference: str) -> Memo:
        """Return the memo for an id, a unique prefix of one, or `latest`, the last one added.

        Raises NoSuchMemo.
        """
        with self.translated():
            return self._memos.get(reference)

    def starting_with(self, prefix: str, limit: int) -> list[Memo]:
        """Return up to `limit` memos whose ids start with `prefix`, in order of id."""
        with self.translated():
            return self._memos.starting_with(prefix, limit)

    def pieces(self, memo: Memo) -> bytes:
        """Return the joined piece hashes of its audio; empty if none were made when it arrived."""
        with self.translated():
            return self._memos.pieces(memo)

    def path(self, memo: Memo) -> Path:
        """Return the path of the memo's audio file."""
        return self.audio_folder / memo.filename

    # -- writing ---------------------------------------------------------------

    def draft(self, title: str, description: str, format_: str, origin: Origin) -> Draft:
        """Make a draft, dated now, with an id that is unused in the library."""
        id_ = new_id()
        with self.translated():
            while self._memos.is_known(id_):
                id_ = new_id()
        return Draft(id_, title, description, now(), format_, origin)

    def keep(self, entry: StagingEntry, new: NewMemo) -> Memo:
        """Make a memo of the entry's audio, delete the entry and return the memo.

        If another process has added the same torrent meanwhile, returns its memo.
        """
        draft = new.draft
        audio = entry.audio(draft.format)
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            digests = digests_of(audio, new)
            entry.use_room()
            entry.note({**entry.facts(), **draft.to_facts()})
            try:
                audio.rename(target)
                fsync_folder(self.audio_folder)
                memo_id = self._insert(new, target, digests)
            except BaseException:
                self._database.roll_back()
                # Ctrl-C can come before the file is moved, or after the row is written.
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
        """Change the fields that are not None and return the memo; its links stay the same."""
        with self._database.transaction():
            self._memos.edit(memo, title, description)
        return self._memos.by_id(memo.id)

    def remove(self, memo: Memo) -> None:
        """Delete the memo's row, then its files. A seeder drops it in 2 s. Not in `atomically`."""
        try:
            self.freeing(lambda: self._remove(memo))
        except NoRoom:
            if self.refusal is not None:
                raise
            # Nothing was set aside. Without its audio there is no such memo any more, so its files
            # can go first, and leave room to delete the row.
            with self.translated():
                for path in (self.path(memo), *self.shares.age_files(memo)):
                    path.unlink(missing_ok=True)
            self.freeing(lambda: self._remove(memo))

    def _remove(self, memo: Memo) -> None:
        with self.translated():
            try:
                with self._database.transaction():
                    self._pending_deletes.add([self.path(memo), *self.shares.age_files(memo)])
                    self._database.execute("DELETE FROM memo WHERE id = ?", (memo.id,))
            finally:  # on Ctrl-C too; after a kill, the next process to open the library does it
                self._database.roll_back()
                self._pending_deletes.finish()

    def restore(self, new: NewMemo) -> Memo:
        """Give audio in `memos/` with the draft's name its row back, and return the memo."""
        path = self.audio_folder / f"{new.draft.id}.{new.draft.format}"
        with self.translated():
            self._insert(new, path, digests_of(path, new))
        return self._memos.by_id(new.draft.id)

    def recover(self, entry: StagingEntry) -> Draft | None:
        """Return the draft noted in an entry left behind; None when there is nothing to finish.

        Undoes a `keep` that died after the file was put in place and before the row was written.
        """
        draft = Draft.from_facts(entry.facts())
        if draft is None:
            return None
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            if self._memos.is_known(draft.id):
                # It was added, but an interrupt right after that moved the file back here.
                audio = entry.audio(draft.format)
                if audio.exists() and not target.exists():
                    audio.rename(target)
                return None
            if target.exists():
                target.rename(entry.audio(draft.format))
        return draft

    @contextlib.contextmanager
    def atomically(self) -> Iterator[None]:
        """Make all of the block's changes take effect at once, or none.

        Any failure must end the block: the changes before it are already rolled back.
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
        """Return the port that this library or its LAN worker listens on, chosen once and kept."""
        from memocast.library.ports import free_port

        key = "lan_port" if lan else "listen_port"
        row = self._database.row("SELECT value FROM state WHERE key = ?", (key,))
        if row:
            return int(row["value"])
        chosen = str(free_port())
        with self._database.transaction():
            self._database.execute("INSERT OR IGNORE INTO state VALUES (?, ?)", (key, chosen))
            row = self._database.row("SELECT value FROM state WHERE key = ?", (key,))
        return int(row["value"])

    def revision(self) -> int:
        """Return a number that changes whenever another process changes the library."""
        return int(self._database.row("PRAGMA data_version")[0])

    def check(self) -> None:
        """Raise DamagedLibrary when SQLite's own check finds a fault."""
        with self.translated():
            self._backups.check(self._database.connection)

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that turns OSError and sqlite3.Error into LibraryError."""
        return translated(self.database_path)
