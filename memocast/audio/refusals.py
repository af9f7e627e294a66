"""Why an audio file is refused, and such a refusal on its way out of a limited process."""

from __future__ import annotations

from typing import Any

from memocast.errors import MissingDecoder, NoSound, Refused, TakesTooMuch
from memocast.formats.untrusted import cut_text

MAX_RATE = 768_000
"""Hz. The rate of the fastest converters; more is a lie."""

MAX_CHANNELS = 255
"""Vorbis and Opus count them in one byte."""

_KINDS = {kind.__name__: kind for kind in (Refused, NoSound, MissingDecoder)}
_MOST_BYTES = 1_000
"""Of a message. What decoded may have been made to send anything."""

INCOMING = "the incoming audio"
"""The name of what is played while it arrives."""

_ELSEWHERE = "play it elsewhere, or fetch it again"


def too_long(name: str) -> Refused:
    """Return the error for a file that lasts too long."""
    return Refused(f"{name} lasts longer than a day", hint="split it into parts")


def cut_short(name: str) -> Refused:
    """Return the error for a file with less sound than it claims."""
    return Refused(
        f"{name} is cut short: it contains less sound than it claims",
        hint="to keep the part that is there: ffmpeg -i FILE whole.flac",
    )


def damaged(name: str, how: str = "damaged, cut short, or not audio") -> Refused:
    """Return the error for a file whose decoder fails."""
    return Refused(f"{name} is {how}", hint=_ELSEWHERE)


def takes_too_much(name: str) -> TakesTooMuch:
    """Return the error for a file whose decoder exceeds a limit, or crashes."""
    return TakesTooMuch(
        f"{name} takes too much time or memory to decode",
        hint="if you trust it, convert it: ffmpeg -i FILE sound.flac",
    )


def missing_decoder(name: str, package: str, why: str = "") -> MissingDecoder:
    """Return the error for a file whose decoder is in a package that cannot be imported."""
    return MissingDecoder(
        f"{name} needs the package '{package}' to be decoded{why and f': {why}'}",
        hint="reinstall memocast as described in the README",
    )


def unusual_codec(name: str, codec: str) -> Refused:
    """Return the error for a file whose codec no memo has."""
    return Refused(
        f"{name} is encoded as {codec}, which memocast does not decode",
        hint="if you trust it, convert it: ffmpeg -i FILE sound.flac",
    )


def check(name: str, rate: int, channels: int) -> None:
    """Raise Refused for a rate (in Hz) or channels that no recorder makes."""
    if not 0 < rate <= MAX_RATE or not 0 < channels <= MAX_CHANNELS:
        raise Refused(
            f"{name} is damaged: it claims {rate:,} Hz and {channels:,} channels", hint=_ELSEWHERE
        )


def to_json(error: Refused) -> dict[str, str]:
    """Return what `raise_if_refused` needs to raise this error in another process."""
    return {"refused": type(error).__name__, "message": error.message, "hint": error.hint}


def raise_if_refused(said: dict[str, Any]) -> None:
    """Raise the error that a limited process ended with, if it did."""
    if "refused" in said:
        kind = next((kind for name, kind in _KINDS.items() if name == said["refused"]), Refused)
        message, hint = (cut_text(said.get(part), _MOST_BYTES) for part in ("message", "hint"))
        raise kind(message, hint=hint)
