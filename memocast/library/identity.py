"""The user's own identity: what memos are sealed to, so that only this library opens them."""

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
    """The file of the identity, in the format of `age-keygen`, that the library in `root` has."""
    return root / _NAME


def own_recipient(root: Path) -> str:
    """The public half of the library's identity, which is made when there is none.

    Raises LibraryError, and UsageError when the file is none of identities.
    """
    path = identity_path(root)
    if not path.exists():
        key = age.new_key()
        recipient = age.recipient_of(key)
        text = f"# created: {rfc3339(now())}\n# public key: {recipient}\n{key}\n"
        # Of two processes that make one, the first one's is kept.
        with (
            translated(path),
            contextlib.suppress(FileExistsError),
            creating(path, mode=0o600) as file,
        ):
            file.write(text.encode())
    return str(age.identities_in(path)[0].to_public())


def identities(root: Path, chosen: Path | None) -> list[age.Identity]:
    """Those in the file `chosen`, or the library's own, if it has one. Raises UsageError."""
    if chosen is not None:
        return age.identities_in(chosen)
    path = identity_path(root)
    return age.identities_in(path) if path.exists() else []
