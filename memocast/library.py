"""Library: the local folder that holds the memos, shared by any number of processes.

A memo exists when its row and its file do: the file is put in place first,
the row after, and what a crash leaves between the two is found again in
`incoming/`.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from memocast import backups, database
from memocast.draft import Draft
from memocast.errors import DamagedLibrary, NoSuchMemo
from memocast.files import fsync_and_hash, fsync_folder, stamp
from memocast.incoming import Entry, Incoming
from memocast.memo import ID_LENGTH, Memo, Origin, new_id, now
from memocast.ports import free_port
from memocast.shares import Shares

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.share import Share

_SELECT = """
    SELECT memo.*,
        (SELECT info_hash FROM torrent WHERE torrent.memo = memo.id
            ORDER BY mode = 'public' DESC, number DESC LIMIT 1) AS info_hash,
        EXISTS (SELECT 1 FROM torrent WHERE torrent.memo = memo.id AND shared) AS shared
    FROM memo
"""
_REMOVED = "removed:"
"""Before the name of a file in `state`: its memo is gone, and it is to go too."""
_NEWEST_FIRST = " ORDER BY memo.created DESC, memo.number DESC"


class Library:
    """One library on disk. Every method may raise LibraryError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database_path = root / "library.db"
        self.audio_folder = root / "memos"
        sealed = root / "sealed"
        with database.translated(self.database_path):
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(0o700, exist_ok=True)
            for folder in (self.audio_folder, sealed, root / "incoming", root / "log"):
                folder.mkdir(exist_ok=True)
            if not os.access(root, os.W_OK):
                raise PermissionError(13, "the folder is read-only", str(root))
        self.incoming = Incoming(root / "incoming")
        self._backups = backups.Backups(self.database_path, root / "backups")
        self._refuse_to_begin_anew()
        self._database = database.connect(self.database_path)
        self.shares = Shares(self._database, self.database_path, self.audio_folder, sealed)
        with self.translated():
            self._finish_removals()

    def _refuse_to_begin_anew(self) -> None:
        """An empty database beside audio files is a loss, not a beginning."""
        with database.translated(self.database_path):
            # In this order: a memo's file is there only after the database was.
            holds_audio = any(self.audio_folder.iterdir())
            if holds_audio and not (
                self.database_path.exists() and self.database_path.stat().st_size
            ):
                raise DamagedLibrary(self.database_path, "it is gone, but its audio files are here")

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def back_up(self) -> None:
        """Renew the copy of the database in `backups/`, when it is due.

        Raises DamagedLibrary when the database is not fit to be copied.
        """
        with self.translated():
            self._backups.renew(self._database)

    # -- reading ---------------------------------------------------------------

    def memos(self, query: str = "", limit: int | None = None) -> list[Memo]:
        """Newest first; with `query`, those with it in title or description, whatever the case."""
        with self.translated():
            files = {entry.name for entry in os.scandir(self.audio_folder)}
        wanted = query.casefold()
        matching = [
            memo
            for memo in self.rows()
            if memo.filename in files
            and (wanted in memo.title.casefold() or wanted in memo.description.casefold())
        ]
        return matching[:limit]

    def rows(self) -> list[Memo]:
        """What the database knows, newest first, whether the audio files are there or not."""
        with self.translated():
            rows = self._database.execute(_SELECT + _NEWEST_FIRST).fetchall()
            return [database.memo(row) for row in rows]

    def get(self, reference: str) -> Memo:
        """The memo of an id, a unique prefix of one, or `latest`: the last that came in.

        Raises NoSuchMemo.
        """
        wanted = reference.lower()
        # Arguments that are not UTF-8 have half characters, which SQLite does not take.
        if len(wanted) == ID_LENGTH and wanted.isascii():
            return self._by_id(wanted)
        if wanted == "latest":
            return self._latest()
        known = self.memos()
        fitting = [memo for memo in known if wanted and memo.id.startswith(wanted)]
        if not fitting:
            raise NoSuchMemo(
                f"there is no memo '{reference}'", hint="list the memos: memocast list"
            )
        if len(fitting) > 1:
            some = ", ".join(memo.id for memo in fitting[:4])
            raise NoSuchMemo(
                f"'{reference}' fits {len(fitting)} memos: {some}{', …' * (len(fitting) > 4)}",
                hint="type more of the id",
            )
        return fitting[0]

    def _latest(self) -> Memo:
        with self.translated():
            rows = self._database.execute(_SELECT + " ORDER BY memo.number DESC")
            found = map(database.memo, rows)
            memo = next((memo for memo in found if self.path(memo).exists()), None)
        if memo is None:
            raise NoSuchMemo("the library is empty", hint="make one: memocast record")
        return memo

    def path(self, memo: Memo) -> Path:
        """The memo's audio file."""
        return self.audio_folder / memo.filename

    # -- writing ---------------------------------------------------------------

    def draft(self, title: str, description: str, format_: str, origin: Origin) -> Draft:
        """A draft made now, under an id that nothing in the library has."""
        with self.translated():
            taken = {row["id"] for row in self._database.execute("SELECT id FROM memo")}
        id_ = new_id()
        while id_ in taken:
            id_ = new_id()
        return Draft(id_, title, description, now(), format_, origin)

    def keep(
        self,
        entry: Entry,
        draft: Draft,
        duration: int,
        peaks: bytes,
        share: Share | None = None,
        lost: int = 0,
        age_file: Path | None = None,
    ) -> Memo:
        """Make the entry's audio a memo, and the entry disappear. Fields as in `Memo`.

        `share` is the link it came by, and `age_file` what that holds if it is
        sealed. When another process kept the same torrent meanwhile, its memo is returned.
        """
        audio = entry.audio(draft.format)
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            digest = fsync_and_hash(audio)
            entry.use_room()
            entry.note({**entry.facts(), **draft.to_facts()})
            try:
                audio.rename(target)
                fsync_folder(self.audio_folder)
                memo_id = self._insert(
                    draft, target, digest, duration, peaks, share, lost, age_file
                )
            except BaseException:
                database.roll_back(self._database)
                # Ctrl-C can come before the file was moved, and after the row was written.
                if target.exists() and not self._is_known(draft.id):
                    target.rename(audio)
                raise
            if memo_id != draft.id:
                target.rename(audio)
        entry.discard()
        return self._by_id(memo_id)

    def _insert(
        self,
        draft: Draft,
        path: Path,
        digest: bytes,
        duration: int,
        peaks: bytes,
        share: Share | None,
        lost: int,
        age_file: Path | None = None,
    ) -> str:
        size, mtime = stamp(path)
        with database.transaction(self._database):
            twin = self.shares.owner(share.torrent) if share else None
            if twin:
                return twin
            self._database.execute(
                "INSERT INTO memo (id, title, description, created, duration, bytes,"
                " format, origin, peaks, sha256, mtime, lost)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    draft.id,
                    draft.title,
                    draft.description,
                    int(draft.created.timestamp()),
                    duration,
                    size,
                    draft.format,
                    draft.origin,
                    peaks,
                    digest,
                    mtime,
                    lost,
                ),
            )
            if share:
                self.shares.insert(draft.id, share, age_file)
        return draft.id

    def _by_id(self, memo_id: str) -> Memo:
        with self.translated():
            row = self._database.execute(_SELECT + " WHERE memo.id = ?", (memo_id,)).fetchone()
        memo = database.memo(row) if row else None
        if memo is None or not self.path(memo).exists():
            raise NoSuchMemo(f"there is no memo '{memo_id}'", hint="list the memos: memocast list")
        return memo

    def edit(self, memo: Memo, title: str | None, description: str | None) -> Memo:
        """Change what is not None here; links already given out stay as they are."""
        with self.translated(), database.transaction(self._database):
            self._database.execute(
                "UPDATE memo SET title = coalesce(?, title),"
                " description = coalesce(?, description) WHERE id = ?",
                (title, description, memo.id),
            )
        return self._by_id(memo.id)

    def remove(self, memo: Memo) -> None:
        """Delete the memo, its row and then its file. A running seeder drops it within 2 s."""
        with self.translated():
            try:
                with database.transaction(self._database):
                    self._database.execute("DELETE FROM memo WHERE id = ?", (memo.id,))
                    self._database.execute(
                        "INSERT OR IGNORE INTO state VALUES (?, '')", (_REMOVED + memo.filename,)
                    )
            finally:  # at Ctrl-C too; after a kill, whoever opens the library next does it
                database.roll_back(self._database)
                self._finish_removals()
                self.shares.sweep()

    def _finish_removals(self) -> None:
        """Delete the files of memos whose rows are gone."""
        rows = self._database.execute(
            "SELECT key FROM state WHERE key BETWEEN ? AND ?", (_REMOVED, _REMOVED + "~")
        ).fetchall()
        for row in rows:
            # A file that cannot be deleted now is no reason to refuse every command.
            with contextlib.suppress(OSError):
                (self.audio_folder / row["key"].removeprefix(_REMOVED)).unlink(missing_ok=True)
                self._database.execute("DELETE FROM state WHERE key = ?", (row["key"],))

    def restore(self, draft: Draft, duration: int, peaks: bytes) -> Memo:
        """Give audio that lies in `memos/` under the draft's name its row back."""
        path = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            self._insert(draft, path, fsync_and_hash(path), duration, peaks, None, 0)
        return self._by_id(draft.id)

    def recover(self, entry: Entry) -> Draft | None:
        """The draft noted in an entry left behind; None when there is nothing to finish.

        Undoes a `keep` that died between putting the file in place and the row.
        """
        draft = Draft.from_facts(entry.facts())
        if draft is None:
            return None
        target = self.audio_folder / f"{draft.id}.{draft.format}"
        with self.translated():
            if self._is_known(draft.id):
                # Kept; but when it was interrupted right after that, the file is back here.
                audio = entry.audio(draft.format)
                if audio.exists() and not target.exists():
                    audio.rename(target)
                return None
            if target.exists():
                target.rename(entry.audio(draft.format))
        return draft

    def _is_known(self, memo_id: str) -> bool:
        found = self._database.execute("SELECT 1 FROM memo WHERE id = ?", (memo_id,)).fetchone()
        return found is not None

    # -- what processes agree on -----------------------------------------------

    def listen_port(self, *, lan: bool = False) -> int:
        """The port this library listens on, or that of its LAN session: chosen once, and kept."""
        key = "lan_port" if lan else "listen_port"
        chosen = str(free_port())
        with self.translated(), database.transaction(self._database):
            self._database.execute("INSERT OR IGNORE INTO state VALUES (?, ?)", (key, chosen))
            row = self._database.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return int(row["value"])

    def revision(self) -> int:
        """Changes whenever another process has changed the library."""
        with self.translated():
            return int(self._database.execute("PRAGMA data_version").fetchone()[0])

    def check(self) -> None:
        """Raises DamagedLibrary when SQLite's own check finds something wrong."""
        with self.translated():
            found = backups.problem(self._database)
        if found:
            raise DamagedLibrary(self.database_path, found)

    def translated(self) -> contextlib.AbstractContextManager[None]:
        """A block whose OSError and sqlite3.Error come out as LibraryError."""
        return database.translated(self.database_path)
