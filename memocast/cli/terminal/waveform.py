"""Drawing a waveform as a line of text."""

from __future__ import annotations

import math

_BARS = " ▁▂▃▄▅▆▇█"
_FLOOR_DBFS = -42.0
"""Speech lies in the uppermost 42 dB; a linear scale would show it as a flat line."""


def dbfs(peak: int) -> float:
    """Return the level of a peak (0 to 255) in dBFS; silence is -inf."""
    return 20 * math.log10(peak / 255) if peak else -math.inf


def height(peak: int) -> float:
    """Return the height of a peak, 0 to 1, on a logarithmic scale."""
    return max(0.0, min(1.0, 1 - dbfs(peak) / _FLOOR_DBFS))


def draw(peaks: bytes, width: int) -> str:
    """Draw the waveform in exactly `width` characters."""
    if not peaks or width <= 0:
        return " " * max(width, 0)
    columns = []
    for column in range(width):
        start = column * len(peaks) // width
        end = max(start + 1, (column + 1) * len(peaks) // width)
        columns.append(_BARS[round(height(max(peaks[start:end])) * (len(_BARS) - 1))])
    return "".join(columns)
