"""What is known of an audio file that was examined."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sound:
    """The result of decoding a file. `duration` is in milliseconds; `peaks` as in `Memo`."""

    format: str
    duration: int
    peaks: bytes
