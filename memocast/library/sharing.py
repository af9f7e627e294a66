"""Sharing a memo: finding the share that a request means, or making it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from memocast.errors import MemocastError
from memocast.formats import age, torrent
from memocast.formats.share import Share
from memocast.library.staging import SEALED

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.formats.memo import Memo
    from memocast.formats.share import Mode
    from memocast.library.library import Library
    from memocast.settings import Settings

_AGE_FILE = "sealed.age"


@dataclass(frozen=True, slots=True)
class ShareRequest:
    """How to share a memo. With `mode` None, as it is already shared, or else by `default`.

    `explicit`: the memo was named, not just included with all others. `paired`: the share is
    for the user's other devices.
    """

    mode: Mode | None
    default: Mode
    recipients: tuple[str, ...] = ()
    lan: bool = False
    explicit: bool = True
    paired: bool = False


def default_mode(settings: Settings) -> Mode:
    """Return how a memo is shared when nothing else is said."""
    return "private" if settings.share == "private" else "public"


def share(
    library: Library,
    memo: Memo,
    request: ShareRequest,
    tell: Callable[[int], None] = lambda _: None,
    first: Callable[[Share], None] = lambda _: None,
) -> Share:
    """Share the memo and return the share, existing or new. The same request gives the same link.

    `tell` is called with the number of bytes encrypted so far, `first` before the library is
    changed; if `first` raises, nothing is changed. Raises MemocastError.
    """
    known = [found for found in library.shares.of(memo) if found.paired == request.paired]
    found = _find(known, memo, request)
    if found is None:
        return _make(library, memo, request, tell, first)
    if found.paired:
        return found
    if found.stopped and not found.arrived:
        return library.shares.share_again(replace(found, lan=request.lan), first)
    if request.lan and not found.lan:
        raise MemocastError(
            f"memo {memo.id} is already shared beyond the local network",
            hint=f"unshare it first: memocast unshare {memo.id}",
        )
    return library.shares.share_again(found, first)


def _find(known: list[Share], memo: Memo, request: ShareRequest) -> Share | None:
    sealed_link = next((share for share in known if share.arrived and share.sealed), None)
    in_plain = request.mode == "public" and request.explicit
    if sealed_link and not in_plain:
        if request.recipients:
            raise MemocastError(
                f"memo {memo.id} came sealed, and can be passed on only as it came",
                hint=f"leave out --to, or share it with everyone: memocast share {memo.id}"
                " --public",
            )
        return sealed_link
    if request.mode is None and (current := [share for share in known if share.shared]):
        return current[0]
    mode = request.mode or request.default
    return next(
        (share for share in known if (share.mode, share.recipients) == (mode, request.recipients)),
        None,
    )


def _make(
    library: Library,
    memo: Memo,
    request: ShareRequest,
    tell: Callable[[int], None],
    first: Callable[[Share], None],
) -> Share:
    if not library.seedables.is_intact(memo):
        raise MemocastError(
            f"the audio of memo {memo.id} was changed outside memocast",
            hint=f"add it as it is now: memocast add {library.path(memo)}",
        )
    mode = request.mode or request.default
    path = library.path(memo)
    if mode == "public":
        with library.translated():
            made = torrent.make(memo, path, library.pieces(memo))
        share = Share(made, mode, lan=request.lan, shared=True)
        first(share)
        return library.shares.add(memo, share)
    key = age.new_key() if mode == "private" else ""
    to = (age.recipient_of(key),) if key else request.recipients
    with library.translated():
        entry = library.staging.create("sealing")
        try:
            age_file = entry.folder / _AGE_FILE
            age.seal_file(path, age_file, to, tell)
            made = torrent.make_sealed(memo, age_file, to)
            share = Share(
                made,
                mode,
                key,
                request.recipients,
                lan=request.lan,
                shared=not request.paired,
                paired=request.paired,
            )
            first(share)
            entry.note({SEALED: share.info_hash})
            try:
                return library.shares.add(memo, share, age_file)
            except BaseException:
                with contextlib.suppress(MemocastError):
                    library.shares.take_back(share.info_hash)
                raise
        finally:
            entry.discard()
