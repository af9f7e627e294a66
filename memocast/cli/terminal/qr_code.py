"""A link as a QR code in the terminal."""

from __future__ import annotations

import sys

from memocast.cli.terminal import console

_QR_BORDER = 2


def draw_qr(link: str) -> None:
    """Draw it on standard error, unless it is too long for a QR code or for the terminal."""
    import segno

    try:
        code = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        console.note("the link is too long for a QR code")
        return
    columns, _ = code.symbol_size(border=_QR_BORDER)
    if console.stderr_is_terminal() and (room := console.screen(stderr=True).width) < columns:
        console.note(
            f"the QR code takes {columns} columns and this terminal has {room}; make it wider,"
            " or its letters smaller"
        )
        return
    code.terminal(out=sys.stderr, compact=True, border=_QR_BORDER)
