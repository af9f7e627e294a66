"""Examining: a stranger's audio file decoded to its end, in a process with limits.

Decoders take memory as a file has them, up to gigabytes for a few kilobytes, and some crash
over it. So this module runs in `limited`, on behalf of `audio`.
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
    """What `audio.decoded` makes of the file. `given` is JSON: its `path` in hex, and a `limit`.

    Where it is the `head` of a file, in hex, whether that can be opened.
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
