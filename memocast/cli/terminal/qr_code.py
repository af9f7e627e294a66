"""Drawing a link as a QR code."""

from __future__ import annotations

import sys

from memocast.cli.terminal import console

_QR_BORDER = 2


def draw_qr(link: str) -> None:
    """Draw a QR code on stderr, unless the link is too long or the terminal too narrow."""
    import segno

    try:
        code = segno.make(link, error="l", micro=False)
    except segno.DataOverflowError:
        console.note("the link is too long for a QR code")
        return
    columns, _ = code.symbol_size(border=_QR_BORDER)
    if console.stderr_is_terminal() and (room := console.screen(stderr=True).width) < columns:
        console.note(
            f"the QR code needs {columns} columns and this terminal has {room}; widen it, or"
            " make its font smaller"
        )
        return
    code.terminal(out=sys.stderr, compact=True, border=_QR_BORDER)
