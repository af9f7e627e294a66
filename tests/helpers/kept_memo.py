"""Putting a memo into a library without a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memocast.library.draft import Draft, NewMemo

if TYPE_CHECKING:
    from pathlib import Path

    from memocast.formats.share import Share
    from memocast.library.library import Library


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
