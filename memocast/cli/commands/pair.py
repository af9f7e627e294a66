"""The `pair` command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from memocast.cli import secret_argument
from memocast.cli.context import AppContext, JsonOption, app_context
from memocast.cli.terminal import console
from memocast.errors import UsageError

if TYPE_CHECKING:
    from memocast.formats.channel import Channel


def pair(
    context: typer.Context,
    secret: Annotated[
        str | None,
        typer.Argument(
            metavar="SECRET",
            help="'-' to type or paste the secret that 'pair' printed on your other device, or to"
            " read it from standard input. The secret itself works too, but others can see it.",
            show_default=False,
        ),
    ] = None,
    qr: Annotated[bool, typer.Option("--qr", help="Also draw the secret as a QR code.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Unpair this device; its memos stay.")] = False,
    json: JsonOption = False,
) -> None:
    """Keep your own devices in sync: print the secret that pairs the next one.

    From then on, recordings, edits and removals on one device reach the others,
    sealed, through the running seeder or 'sync'. Anyone with the secret can read
    your memos.

    Example: memocast pair
    """
    from memocast.channels import pair as pairing

    current = app_context(context, "free" if end else "change" if secret else "read")
    known = current.library.channels.pair()
    if end:
        if secret is not None:
            raise UsageError("--end takes no secret", hint="memocast pair --end")
        was_paired = pairing.end(current.library)
        console.note(
            "this device is no longer paired; its memos stay"
            if was_paired
            else "this device was not paired"
        )
        return
    if secret is not None:
        pasted = secret_argument.read(secret, "paste the secret (it is not shown): ")
        if pasted == secret:
            secret_argument.warn("pair", "secret")
        known = _join(current, pasted, known)
    elif known is None:
        link, seed = pairing.meeting_place(pairing.new_secret())
        known = current.library.channels.add(link, seed, kind="pair")
    shown = pairing.secret_of(known)
    if secret is None:
        if json:
            console.document({"secret": shown})
        else:
            console.data(shown)
        if qr:
            from memocast.cli.terminal.qr_code import draw_qr

            draw_qr(shown)
        console.note("on your other device: memocast pair -")
    elif json:
        console.document({"paired": True})
    else:
        console.note("paired; your running seeder fetches your memos, or do it now: memocast sync")


def _join(current: AppContext, secret: str, known: Channel | None) -> Channel:
    from memocast.channels import pair as pairing

    link, seed = pairing.meeting_place(secret)
    if known and known.link.public_key == link.public_key:
        raise UsageError(
            "this device is already paired by that secret", hint="use it on another device"
        )
    if known:
        raise UsageError(
            "this device is paired with others", hint="unpair it first: memocast pair --end"
        )
    return current.library.channels.add(link, seed, kind="pair")
