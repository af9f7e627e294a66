"""The library's `incoming/` folder: recordings and downloads in progress.

Each is a `StagingEntry`: a folder whose owner holds an exclusive lock (flock) on
the file `lock` in it. The kernel drops the lock when the owner dies for any
reason, so an unlocked entry is one that was left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Literal, get_args

from memocast.files import lock, locked, write_atomically
from memocast.library.reserve import set_aside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Kind = Literal["recording", "import", "download", "sealing", "page"]

_NAMES = tuple(f"{kind}-" for kind in get_args(Kind))
_FACTS = "entry.json"
_REFUSE = "refuse-"
OPENED = "opened"
"""In an entry: the decrypted content, until it is known to be audio."""

SEALED = "sealed"
"""In an entry's facts: the info-hash of a sealed memo that is being added."""

_ITEM = "item"
"""In an entry: the number of the feed's item that it is for. Nobody asked for it by its link."""

_BLOCK = 512
"""The unit of `st_blocks`, in bytes. A download's size tells nothing: it may have holes."""

_ROOM = "room"
_ROOM_BYTES = 1 << 19
"""Bytes. A new row takes a few pages of the database and its write-ahead log."""


class StagingEntry:
    """A recording or download on its way into the library. Only its owner may touch the folder."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.was_left_behind = False  # by an owner that did not finish
        self._lock = lock

    @property
    def kind(self) -> Kind:
        """The kind, from the folder's name, which exists before any file in it does."""
        name = self.folder.name.partition("-")[0]
        return next((kind for kind in get_args(Kind) if kind == name), "recording")

    def audio(self, format_: str) -> Path:
        """Return the path for this entry's audio in that format."""
        return self.folder / f"audio.{format_}"

    def restage(self, staged: Path) -> None:
        """Rename this entry's audio, in whatever format, to `staged`."""
        for path in self.folder.glob("audio.*"):
            path.rename(staged)

    def facts(self) -> dict[str, Any]:
        """Return the facts last noted; empty when there are none or a crash damaged them."""
        try:
            document = json.loads((self.folder / _FACTS).read_text())
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def note(self, facts: dict[str, Any]) -> None:
        """Store `facts` for another process to finish this entry if its owner cannot."""
        write_atomically(self.folder / _FACTS, json.dumps(facts).encode())

    def set_room_aside(self) -> None:
        """Reserve the disk space needed to become a memo, in case the disk is full by then."""
        with contextlib.suppress(OSError):
            set_aside(self.folder / _ROOM, _ROOM_BYTES)

    def use_room(self) -> None:
        """Free the reserved disk space, to be used now."""
        (self.folder / _ROOM).unlink(missing_ok=True)

    def hide(self) -> None:
        """Delete decrypted content, which can be decrypted again."""
        clear = [self.folder / OPENED]
        if self.facts().get(SEALED):
            clear += self.folder.glob("audio.*")
        for path in clear:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the entry and everything in it, if this process still owns it."""
        if self._lock < 0:
            return
        # In one step: a folder that is deleted file by file can lose its lock before its audio,
        # and another process would take it for a recording left behind. Under a unique name:
        # the next owner of the same download may finish before this one is deleted.
        refuse = self.folder.with_name(f"{_REFUSE}{os.urandom(8).hex()}")
        try:
            self.folder.replace(refuse)
            shutil.rmtree(refuse, ignore_errors=True)
        finally:
            shutil.rmtree(refuse, ignore_errors=True)  # after Ctrl-C
            self.release()

    def release(self) -> None:
        """Give up ownership; the folder's content stays."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Staging:
    """The folder of entries. A lock of its own serialises creating and claiming them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, kind: Kind) -> StagingEntry:
        """Create an entry, owned by this process."""
        import tempfile
        from pathlib import Path

        with self._locked():
            folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.folder))
            entry = self._claim(folder)
        assert entry is not None, "no other process can have locked a folder made under the lock"
        return entry

    def download(self, key: str, item: int | None = None) -> StagingEntry | None:
        """Return the download's entry, new or left behind; None while another process owns it.

        `key` is a torrent's info-hash, or `web-` and the number of an item. `item` is that of the
        feed's item that is fetched, None for what the user asked for.
        """
        with self._locked():
            folder = self.folder / f"download-{key}"
            found = False
            try:
                folder.mkdir()
            except FileExistsError:  # perhaps gone by now: owners discard without the lock
                found = True
            entry = self._claim(folder)
            if entry:
                entry.was_left_behind = found
                if item is None:
                    (folder / _ITEM).unlink(missing_ok=True)
                elif not found:
                    (folder / _ITEM).write_text(str(item))
            return entry

    def discard_items(self, wanted: Collection[int]) -> None:
        """Delete unfinished downloads of feeds' items whose numbers are not `wanted`."""
        with self._locked():
            entries = [
                self._claim(path.parent)
                for path in self.folder.glob(f"download-*/{_ITEM}")
                if _number_in(path) not in wanted
            ]
        for entry in entries:
            if entry:
                entry.discard()

    def bytes_of_item(self, number: int) -> int:
        """Return the bytes that unfinished downloads of that item take on the disk."""
        found = 0
        for noted in self.folder.glob(f"download-*/{_ITEM}"):
            if _number_in(noted) == number:
                with contextlib.suppress(FileNotFoundError):  # it is being discarded
                    found += sum(path.stat().st_blocks for path in noted.parent.iterdir())
        return found * _BLOCK

    def left_behind(self) -> Iterator[StagingEntry]:
        """Claim and yield all entries without an owner; the caller must release each one."""
        with self._locked():
            for refuse in self.folder.glob(f"{_REFUSE}*"):  # its owner died while deleting it
                shutil.rmtree(refuse, ignore_errors=True)
            entries = [
                self._claim(folder)
                for folder in sorted(self.folder.iterdir())
                if folder.is_dir() and folder.name.startswith(_NAMES)
            ]
        yield from (entry for entry in entries if entry is not None)

    def pending(self) -> set[str]:
        """Return the ids of the memos that entries are about to become."""
        if not self.folder.exists():  # an older release made the library, and it is only read
            return set()
        noted = (
            StagingEntry(folder, -1).facts() for folder in self.folder.iterdir() if folder.is_dir()
        )
        return {facts["id"] for facts in noted if isinstance(facts.get("id"), str)}

    def is_in_use(self) -> bool:
        """Return whether some process is recording, adding or fetching now."""
        with self._locked():
            for folder in self.folder.iterdir():
                if folder.is_dir() and (folder / "lock").exists():
                    entry = self._claim(folder)
                    if entry is None:
                        return True
                    entry.release()
        return False

    def _claim(self, folder: Path) -> StagingEntry | None:
        try:
            found = lock(folder / "lock")
        except FileNotFoundError:  # its owner has just finished
            return None
        if found is None:
            return None
        if not _is_same_file(found, folder / "lock"):  # discarded while we waited
            os.close(found)
            return None
        return StagingEntry(folder, found)

    def _locked(self) -> contextlib.AbstractContextManager[bool]:
        return locked(self.folder / ".gate")


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
