"""Decrypting a sealed memo's description and audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.errors import Refused, WrongKey
from memocast.formats import age
from memocast.formats.memo_info import Description, unseal_info
from memocast.library.staging import OPENED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from memocast.bittorrent.download import Metadata
    from memocast.formats.link import Link
    from memocast.formats.share import Share


def check_key(shares: Sequence[Share], link: Link) -> None:
    """Raise WrongKey when the link's key differs from that of the share that it names."""
    for share in shares:
        is_meant = set(share.torrent.info_hashes) & set(link.info_hashes)
        if (
            is_meant
            and share.age_identity
            and link.age_identity
            and share.age_identity != link.age_identity.upper()
        ):
            raise WrongKey(
                "this key does not open it, but the memo is already in the library",
                hint="find it: memocast list",
            )


class Decryptor:
    """Decrypts one link's memo with the link's key, or else with one of the `identities`.

    The decrypted audio is `OPENED` in `folder` until it is moved away.
    Making one raises Refused when the link's key is not valid.
    """

    def __init__(self, link: Link, identities: Sequence[age.Identity], folder: Path) -> None:
        self._link = link
        self._identities = [age.identity(link.age_identity)] if link.age_identity else identities
        self._path = folder / OPENED

    def description(self, metadata: Metadata) -> Description:
        """Return the memo's description. Raises Refused when no key of ours opens it."""
        if metadata.sealed is None:
            if self._link.age_identity:
                raise Refused(
                    "the link has a key, but its memo is not sealed", hint="ask the sender about it"
                )
            return metadata.description
        if not self._identities:
            raise WrongKey(
                "the memo is sealed, and the link has no key",
                hint="copy the whole link again, in quotes; for a memo sealed to you, name"
                " your identity: --identity FILE",
            )
        return unseal_info(metadata.sealed, self._identities)

    def decrypt(self, age_file: Path, tell: Callable[[int], None]) -> Path:
        """Decrypt an age file and return the path of its content.

        `tell` is called with the bytes decrypted so far. Raises Refused, OSError.
        """
        self._path.unlink(missing_ok=True)
        age.unseal_file(age_file, self._path, self._identities, tell)
        return self._path
