"""The user's own identity, to which others seal memos that only this library can open."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from memocast.files import creating
from memocast.formats import age
from memocast.formats.memo import now, rfc3339
from memocast.library.tables.failures import translated

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "identity.txt"


def identity_path(root: Path) -> Path:
    """Return the path of the library's identity file, which has the format of `age-keygen`."""
    return root / _NAME


def own_recipient(root: Path) -> str:
    """Return the recipient (public key) of the library's identity, which is made if missing.

    Raises LibraryError, and UsageError when the file does not hold identities.
    """
    path = identity_path(root)
    if not path.exists():
        key = age.new_key()
        recipient = age.recipient_of(key)
        text = f"# created: {rfc3339(now())}\n# public key: {recipient}\n{key}\n"
        # If two processes make one, the first one's is kept.
        with (
            translated(path),
            contextlib.suppress(FileExistsError),
            creating(path, mode=0o600) as file,
        ):
            file.write(text.encode())
    return str(age.identities_in(path)[0].to_public())


def identities(root: Path, chosen: Path | None) -> list[age.Identity]:
    """Return those in the file `chosen`, or else the library's own, if any. Raises UsageError."""
    if chosen is not None:
        return age.identities_in(chosen)
    path = identity_path(root)
    return age.identities_in(path) if path.exists() else []
