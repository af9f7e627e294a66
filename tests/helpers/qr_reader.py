"""What a phone's camera makes of a QR code on a terminal: zbar reads a picture of it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from helpers.programs import needs

if TYPE_CHECKING:
    from pathlib import Path

HALVES = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}
"""What each character of a QR code is of two pixels, on a dark terminal."""


def read_qr(drawn: str, folder: Path) -> str:
    """What a camera reads from a QR code on a terminal."""
    rows = [line for line in drawn.splitlines() if line and set(line) <= set(HALVES)]
    scale = 4
    pixels = []
    for row in rows:
        for half in (0, 1):
            line = b"".join(bytes([HALVES[char][half]]) * scale for char in row)
            pixels += [line] * scale
    picture = folder / "screen.pgm"
    head = f"P5 {len(pixels[0])} {len(pixels)} 255\n".encode()
    picture.write_bytes(head + b"".join(pixels))
    return subprocess.run(
        [needs("zbarimg"), "--quiet", "--raw", picture], capture_output=True, text=True, check=True
    ).stdout.strip()
