"""The `identity` command."""

from __future__ import annotations

import typer

from memocast.cli.context import JsonOption, app_context
from memocast.cli.terminal import console


def identity(context: typer.Context, json: JsonOption = False) -> None:
    """Print your public key, to which others can seal memos with 'share --to'.

    The private key stays in the library, and 'fetch' uses it automatically.

    Example: memocast identity
    """
    from memocast.library.identity import identity_path, own_recipient

    library = app_context(context, "read").library
    recipient = own_recipient(library.root)
    path = identity_path(library.root)
    if json:
        console.document({"recipient": recipient, "file": str(path)})
        return
    console.data(recipient)
    console.note(f"anyone with {console.safe(str(path))} can open memos sealed to you; keep a copy")
