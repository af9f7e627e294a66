"""The library and the settings of a command, and arguments that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli.terminal import console
from memocast.errors import DamagedLibrary, LibraryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from memocast.formats.memo import Memo
    from memocast.library.library import Library
    from memocast.library.opening import Purpose
    from memocast.settings import Settings


@dataclass
class AppContext:
    """The state of one run; the library and the settings are opened on first use."""

    root: Path
    context: typer.Context
    purpose: Purpose = "change"

    @cached_property
    def settings(self) -> Settings:
        """The current settings. Raises UsageError."""
        from memocast import settings

        return settings.load()

    @cached_property
    def library(self) -> Library:
        """The library, with unfinished recordings recovered. Raises LibraryError."""
        from memocast.library.location import open_library

        # Report a mistake in the settings before anything is written.
        _ = self.settings
        library = open_library(
            self.root, lambda text: console.note(console.safe(text)), self.purpose
        )
        self.context.call_on_close(lambda: _close(library))
        return library

    def memos(
        self,
        references: list[str],
        attempts: console.Attempts,
        find: Callable[[Library, str], Memo] | None = None,
    ) -> list[Memo]:
        """Return the memos that `references` name, each once.

        All are looked up before the command acts: what `latest` or a prefix
        means must not change on the way.
        """
        library = self.library
        found = attempts.each(
            references, lambda name: find(library, name) if find else library.get(name)
        )
        return list({memo.id: memo for memo in found}.values())


def _close(library: Library) -> None:
    """Back up the database, and report damage to it while there are good copies."""
    if library.refusal is not None:
        library.close()
        return
    try:
        if library.backup_takes_long():
            from memocast.seeding.background import start_backup

            start_backup(library.root)
        else:
            library.back_up()
    except DamagedLibrary as error:
        # This command has succeeded; the next one will be refused.
        console.note(console.safe(f"{error.message}; {error.hint}"))
    except LibraryError:
        pass  # what a full disk stopped has reported it, and the next command makes the copy
    finally:
        library.close()


def app_context(context: typer.Context, purpose: Purpose = "change") -> AppContext:
    """Return the AppContext of this run, whose library is opened for that purpose."""
    found = context.find_object(AppContext)
    assert found is not None, "the main callback sets it"
    found.purpose = purpose
    return found


_MOST_COMPLETED = 100
"""Most memos to complete: the newest, or the first that match a prefix."""

_TITLE_SHOWN = 40
"""In characters; typer wraps longer texts at the terminal's width, and fish reads lines."""


def _harmless(title: str) -> str:
    """Return a title safe for zsh and fish: typer passes it to rich as markup, zsh to `eval`."""
    plain = "".join(
        char if not char.isascii() or char.isalnum() or char in " ,.-_+/@" else " "
        for char in console.safe(title)
    )
    return plain if len(plain) <= _TITLE_SHOWN else f"{plain[:_TITLE_SHOWN]}…"


def complete_memo(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids and titles for shell completion. Creates and reports nothing."""
    from memocast.errors import MemocastError
    from memocast.library.library import Library
    from memocast.library.location import library_root

    try:
        root = library_root((context.find_root().params or {}).get("library"))
        if not (root / "library.db").exists():
            return []
        library = Library(root, "read")
        found = (
            library.starting_with(incomplete, _MOST_COMPLETED)
            if incomplete
            else library.memos(limit=_MOST_COMPLETED)
        )
        known = [(memo.id, _harmless(memo.title)) for memo in found]
        if "latest".startswith(incomplete):
            known.append(("latest", f"the last: {_harmless(library.get('latest').title)}"))
    except MemocastError:
        return []
    return known


_MEMO = typer.Argument(
    metavar="MEMO",
    help="An id, a prefix of one, or 'latest' for the last memo added.",
    autocompletion=complete_memo,
    show_default=False,
)
MemoArgument = Annotated[str, _MEMO]
OptionalMemoArgument = Annotated[str | None, _MEMO]
_MEMOS = typer.Argument(
    metavar="MEMO…",
    help="Ids, prefixes of ids, or 'latest' for the last memo added.",
    autocompletion=complete_memo,
    show_default=False,
)
MemosArgument = Annotated[list[str], _MEMOS]
OptionalMemosArgument = Annotated[list[str] | None, _MEMOS]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
