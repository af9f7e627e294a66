"""What is done with a stranger's audio file in a limited process; `decoder` asks for it."""

from __future__ import annotations

import importlib
import json
import math
import struct
import sys
import time

from memocast.audio.refusals import INCOMING, missing_decoder, to_json
from memocast.errors import Refused
from memocast.processes import limited_process_child, sandbox

# Type checkers recognise the name of this flag; what is imported here delays every fetch.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO, Any

    from memocast.audio.joined_files import Part
    from memocast.audio.sndfile_decoder import Samples

HEAD = struct.Struct(">II")
"""Before the float32 samples of a block: its rate in Hz, and its channels."""

_SAID_SECONDS = 0.1
_CONTAINER = ("memocast.audio.container_length",)
_SNDFILE = ("numpy", "soundfile", "mutagen.ogg", "memocast.audio.measure", "memocast.audio.peaks")
_GROWING = ("numpy", "soundfile", "memocast.audio.growing_decoder")
_MODULES = {
    "container": _CONTAINER,
    "wav": (*_CONTAINER, "wave"),
    "sndfile": _SNDFILE,
    # PyAV imports these when it meets such streams.
    "ffmpeg": (*_SNDFILE, "av", "av.audio.stream", "av.video.stream", "av.subtitles.stream"),
    "growing": _GROWING,
}

_missing: dict[str, tuple[str, str]] = {}
"""For each module that cannot be imported: the package to blame, and what is wrong with it."""


def prepare(what: str) -> None:
    """Import what is needed to read a container, or to decode by libsndfile or FFmpeg.

    Landlock is for the decoders, which are written in C: a container is read by Python alone.
    """
    if what in ("sndfile", "ffmpeg", "growing"):
        sandbox.load()
    for name in _MODULES.get(what, ()):
        try:
            importlib.import_module(name)
        except (ImportError, OSError, MemoryError) as error:
            # Who needs it tells, and must not look for it when no file can be opened any more.
            _note_missing(name, error)


def _note_missing(name: str, error: Exception) -> None:
    """Let each later import of that module fail at once, and remember why."""
    culprit = error.name if isinstance(error, ImportError) and error.name else name
    why = "" if isinstance(error, ModuleNotFoundError) else str(error) or type(error).__name__
    found = _missing.get(culprit) or (culprit.partition(".")[0], why)
    for each in (name, culprit):
        if sys.modules.get(each) is None:
            sys.modules[each] = None  # type: ignore[assignment]
            _missing.setdefault(each, found)


def answer(given: bytes, file: IO[bytes] | None) -> dict[str, Any]:
    """Do what `given`, a JSON object, asks for by `do`; return the result, or why it is refused."""
    asked = json.loads(given)
    try:
        if asked["do"] == "grow":
            return _grow(asked, file)
        assert file is not None
        return _DEEDS[asked["do"]](asked, file)
    except Refused as error:
        return to_json(error)
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        package, why = _missing.get(error.name or "", (package, str(error)))
        return to_json(missing_decoder(asked.get("name", INCOMING), package, why))
    except OSError as error:
        return {"errno": error.errno, "why": error.strerror}


def _lasts(asked: dict[str, Any], file: IO[bytes]) -> dict[str, Any]:
    """Return whether the container shows that the file lasts as long as is claimed."""
    from memocast.audio.container_length import lasts

    return {"lasts": lasts(asked["name"], file, asked["format"], asked["claimed"])}


def _measure(asked: dict[str, Any], file: IO[bytes]) -> dict[str, Any]:
    """Decode the file, and return its duration and peaks."""
    from memocast.audio.joined_files import parts
    from memocast.audio.measure import measure

    said_at = 0.0

    def tell(seconds: float) -> None:
        nonlocal said_at
        if time.monotonic() - said_at > _SAID_SECONDS:
            said_at = time.monotonic()
            limited_process_child.say(seconds)

    found = parts(asked["name"], file, asked["format"])
    if _lacks_ffmpeg(asked, found):
        return {"again": True}
    limit = math.inf if asked["limit"] is None else asked["limit"]
    sound = measure(asked["name"], file, asked["format"], found, tell, limit)
    return {"duration": sound.duration, "peaks": sound.peaks.hex()}


def _decode(asked: dict[str, Any], file: IO[bytes]) -> dict[str, Any]:
    """Decode the file, and send its blocks."""
    from memocast.audio.joined_files import parts
    from memocast.audio.parts_decoder import decode

    name, format_ = asked["name"], asked["format"]
    found = parts(name, file, format_)
    if _lacks_ffmpeg(asked, found):
        return {"again": True}
    _send(decode(name, file, format_, found, asked["start"], torn=asked["torn"]))
    return {}


def _grow(asked: dict[str, Any], pipe: IO[bytes] | None) -> dict[str, Any]:
    """Decode what arrives, send its blocks, and return how long it claims to last."""
    from memocast.audio.growing_decoder import Growing

    growing = Growing(pipe, asked["size"])
    _send(growing.blocks(asked["start"]))
    return {"seconds": growing.seconds}


def _lacks_ffmpeg(asked: dict[str, Any], found: list[Part]) -> bool:
    """Return whether it must be asked for again, with FFmpeg, whose resampler joins parts."""
    return len(found) > 1 and not asked["again"] and "av" not in sys.modules


def _send(blocks: Iterable[tuple[int, Samples]]) -> None:
    import numpy as np

    from memocast.audio.sndfile_decoder import BLOCK_SAMPLES

    for rate, block in blocks:
        channels = block.shape[1]
        frames = max(1, BLOCK_SAMPLES // channels)
        for begin in range(0, len(block), frames):
            piece = np.ascontiguousarray(block[begin : begin + frames], np.float32)
            limited_process_child.send_block(HEAD.pack(rate, channels), piece)


_DEEDS = {"lasts": _lasts, "measure": _measure, "decode": _decode}
