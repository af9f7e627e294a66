"""The exceptions memocast raises, each with its exit code.

    MemocastError        1   any other failure
    ├── UsageError       2   a bad option, setting or file name
    ├── NoSuchMemo       3   no memo has that id, or several do
    ├── DeviceError      4   no microphone or speaker, or it went away
    ├── NotALink         5   the text names no torrent
    ├── SwarmTimeout     6   no peer answered, or all stopped answering
    ├── Refused          7   what arrived is not acceptable
    │   ├── NoSound          it contains no audio
    │   ├── WrongKey         it is encrypted, and not to us
    │   ├── TakesTooMuch     its decoder exceeded a limit, or crashed
    │   └── MissingDecoder   it may, but a decoder is not installed
    ├── LibraryError     8   the library cannot be used
    │   ├── Unwritable       it can be read, but nothing can be written there now
    │   │   ├── NoRoom           its disk is full
    │   │   └── ReadOnly         its disk or folder is read-only
    │   ├── DamagedLibrary   its database is damaged or gone
    │   └── BelowDiskFloor   the disk has no room for what was not asked for
    └── Interrupted    130   the user stopped it

Only `memocast.cli.main` turns them into messages and exit codes. Exceptions
of other packages are translated where those packages are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class MemocastError(Exception):
    """A failure to report to the user: one sentence, and a hint with the next step."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MemocastError):
    """A bad option, setting or value, or a file that does not exist or is a directory."""

    exit_code = 2


class NoSuchMemo(MemocastError):
    """The memo's id is unknown, or its prefix fits more than one memo."""

    exit_code = 3


class DeviceError(MemocastError):
    """No microphone or speaker, none that works, or one that vanished."""

    exit_code = 4


class NotALink(MemocastError):
    """The text is not a magnet link, share URL, info-hash or .torrent file."""

    exit_code = 5


class SwarmTimeout(MemocastError):
    """The swarm made no progress in the time allowed."""

    exit_code = 6


class Refused(MemocastError):
    """Not audio, too large, corrupt, or otherwise unacceptable."""

    exit_code = 7


class NoSound(Refused):
    """The file contains no audio."""


class WrongKey(Refused):
    """None of our keys decrypts it; another key may."""


class TakesTooMuch(Refused):
    """Reading it exceeds a limit on time or memory, or crashes what reads it."""


class MissingDecoder(Refused):
    """It may be audio, but this installation cannot decode it."""


class LibraryError(MemocastError):
    """The library is locked, damaged, full, read-only, or newer than this program."""

    exit_code = 8


class Unwritable(LibraryError):
    """Nothing can be written to the library now; it can still be read."""


class NoRoom(Unwritable):
    """The disk of the library is full."""


class ReadOnly(Unwritable):
    """The disk or the folder of the library is read-only."""


class DamagedLibrary(LibraryError):
    """The library's database is damaged or gone; `doctor --repair` rebuilds it."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(
            f"the library's database {path} is damaged: {what}",
            hint="your audio is safe in 'memos' beside it; rebuild the rest from the last copy:"
            " memocast doctor --repair",
        )


class BelowDiskFloor(LibraryError):
    """Less than the setting `disk_floor` is left of the disk."""

    def __init__(self, message: str = "the disk is nearly full", *, hint: str = "") -> None:
        super().__init__(message, hint=hint or "free some space, or lower the setting 'disk_floor'")


class Interrupted(MemocastError):
    """The user stopped it before it was finished."""

    exit_code = 130
