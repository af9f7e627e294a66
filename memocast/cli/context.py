"""What every command shares: which library, which settings."""

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
    from memocast.settings import Settings


@dataclass
class AppContext:
    """Set up before any command runs; opens things when a command first needs them."""

    root: Path
    context: typer.Context

    @cached_property
    def settings(self) -> Settings:
        """The settings in force. Raises UsageError."""
        from memocast import settings

        return settings.load()

    @cached_property
    def library(self) -> Library:
        """The library, with what crashed commands left behind put in it. Raises LibraryError."""
        from memocast.library.location import open_library

        # A typing error in the settings is told before anything is written.
        _ = self.settings
        library = open_library(self.root, lambda text: console.note(console.safe(text)))
        self.context.call_on_close(lambda: _close(library))
        return library

    def memos(
        self,
        references: list[str],
        attempts: console.Attempts,
        find: Callable[[Library, str], Memo] | None = None,
    ) -> list[Memo]:
        """The memos that are meant, each once.

        All are looked up before the command acts: what `latest` or a prefix
        means must not change underway.
        """
        library = self.library
        found = attempts.each(
            references, lambda name: find(library, name) if find else library.get(name)
        )
        return list({memo.id: memo for memo in found}.values())


def _close(library: Library) -> None:
    """Leave a copy of the database behind; a damaged one is told while there are good copies."""
    try:
        if library.backup_takes_long():
            from memocast.seeding.background import start_backup

            start_backup(library.root)
        else:
            library.back_up()
    except DamagedLibrary as error:
        # The command itself was done; the next one is refused.
        console.note(console.safe(f"{error.message}; {error.hint}"))
    except LibraryError:
        pass  # a full disk has been told by what it stopped, and the next command copies
    finally:
        library.close()


def app_context(context: typer.Context) -> AppContext:
    """The State of this run."""
    found = context.find_object(AppContext)
    assert found is not None, "the main callback sets it"
    return found


_MOST_COMPLETED = 100
"""Memos that are offered for completion: the newest, or the first of a beginning."""

_TITLE_SHOWN = 40
"""Characters; typer breaks longer texts at the terminal's width, and fish reads lines."""


def _harmless(title: str) -> str:
    """A title for zsh and fish: typer gives it to rich as markup, and zsh then to `eval`."""
    plain = "".join(
        char if not char.isascii() or char.isalnum() or char in " ,.-_+/@" else " "
        for char in console.safe(title)
    )
    return plain if len(plain) <= _TITLE_SHOWN else f"{plain[:_TITLE_SHOWN]}…"


def complete_memo(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids and titles for the shell's completion. Creates and reports nothing."""
    from memocast.errors import MemocastError
    from memocast.library.library import Library
    from memocast.library.location import library_root

    root = library_root((context.find_root().params or {}).get("library"))
    if not (root / "library.db").exists():
        return []
    try:
        library = Library(root)
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
    help="An id, the beginning of one, or 'latest': the last that came in.",
    autocompletion=complete_memo,
    show_default=False,
)
MemoArgument = Annotated[str, _MEMO]
OptionalMemoArgument = Annotated[str | None, _MEMO]
_MEMOS = typer.Argument(
    metavar="MEMO…",
    help="Ids, beginnings of ids, or 'latest': the last that came in.",
    autocompletion=complete_memo,
    show_default=False,
)
MemosArgument = Annotated[list[str], _MEMOS]
OptionalMemosArgument = Annotated[list[str] | None, _MEMOS]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
