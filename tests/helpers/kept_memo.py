"""A memo that a test puts into a library without a process, and one that is in none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from memocast.formats.memo import Memo
from memocast.library.draft import Draft, NewMemo

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.share import Share
    from memocast.library.library import Library


MEMO = Memo(
    id="00000000",
    title="Title ☂",
    description="Some\nlines",
    created=datetime(2026, 11, 23, 9, 37, tzinfo=UTC),
    duration=1234,
    size=40_000,
    format="opus",
    origin="recorded",
    peaks=bytes(range(200)),
)


def keep(
    library: Library,
    source: Path,
    title: str = "A memo",
    share: Share | None = None,
    **changes: object,
) -> str:
    """Put a file into the library the way `add` does, or `fetch`, without a process."""
    entry = library.staging.create("import")
    draft = library.draft(title, "", source.suffix[1:], "added")
    if changes:
        draft = Draft(**{**{k: getattr(draft, k) for k in draft.__slots__}, **changes})  # type: ignore[arg-type]
    entry.audio(draft.format).write_bytes(source.read_bytes())
    return library.keep(entry, NewMemo(draft, 5000, b"\1\2\3", share=share)).id
