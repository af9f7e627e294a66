"""Decodes a stranger's whole audio file in a limited process.

A file of a few kilobytes can make decoders take gigabytes, and crash some. So `examine` runs
this module by `limited_process`.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO, Any

from memocast import limited_process
from memocast.audio import decoder, examine
from memocast.errors import Refused

_SAID_SECONDS = 0.1


def answer(given: bytes, _file: IO[bytes] | None = None) -> dict[str, Any] | bool:
    """Return what `examine.decode` does. `given` is JSON: the file's `path` in hex, and a `limit`.

    Given the `head` of a file in hex instead, return whether it can be opened.
    """
    asked = json.loads(given)
    if "head" in asked:
        return decoder.opens(bytes.fromhex(asked["head"]))
    path = Path(os.fsdecode(bytes.fromhex(asked["path"])))
    said_at = 0.0

    def tell(seconds: float) -> None:
        nonlocal said_at
        if time.monotonic() - said_at > _SAID_SECONDS:
            said_at = time.monotonic()
            limited_process.say(seconds)

    try:
        sound = examine.decode(path, tell, asked["limit"])
    except Refused as error:
        return {"refused": type(error).__name__, "message": error.message, "hint": error.hint}
    except OSError as error:
        return {"errno": error.errno, "why": error.strerror}
    return {"format": sound.format, "duration": sound.duration, "peaks": sound.peaks.hex()}
