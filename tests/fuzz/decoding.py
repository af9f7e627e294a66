"""Changed audio files of every format, decoded as `add` and `fetch` do it, by `examine`.

The decoders are C: what crashes or takes too much ends their process, and counts as an outcome. An
input that crashes one is kept: memocast survives it, but others who use that library may not.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from fuzz import sound_seeds
from fuzz.harness import Harness, Target, work_folder
from fuzz.sounds import FORMATS
from memocast.audio import examine
from memocast.errors import Refused
from memocast.processes.limited_process import Exceeded

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from fuzz.harness import Mutate

_MOST_SECONDS = 60.0
"""What a file of a few kilobytes may take; the limits of the decoders' process are far above."""

CRASHED = "the decoder was ended"
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}

_DAY = 24 * 3600 * 1000


def decoded(data: bytes) -> str:
    """A file that came without its length."""
    return _outcome(data, examine.examine)


def confirmed(data: bytes) -> str:
    """A file that came with its length, in ms by the first four bytes, and a waveform."""
    claimed = int.from_bytes(data[:4], "little") % (2 * _DAY)
    return _outcome(data[4:], lambda path: examine.confirm(path, claimed or None, b"\1\2"))


def _outcome(data: bytes, examined: Callable[[Path], examine.Sound]) -> str:
    path = work_folder() / "decoded"
    path.write_bytes(data)
    began = time.monotonic()
    try:
        sound = examined(path)
    except Refused as error:
        ended = error.__context__
        if not isinstance(ended, Exceeded):
            raise
        crashed = ended.signal in _CRASHES
        return f"{CRASHED} by {signal.Signals(ended.signal).name}" if crashed else "exceeded"
    finally:
        assert time.monotonic() - began < _MOST_SECONDS
    assert sound.format in FORMATS
    assert sound.format == examine.identify(path)
    assert 0 <= sound.duration <= _DAY
    assert 0 < len(sound.peaks) <= 200
    assert path.read_bytes() == data
    return "accepted"


# -- inputs --------------------------------------------------------------------------


def claimed() -> list[bytes]:
    """Files with the right length, and with a wrong one."""
    return [
        length.to_bytes(4, "little") + content
        for content in sound_seeds.files().values()
        for length in (60, 5_000)
    ]


def behind_length(data: bytes, chance: random.Random, mutate: Mutate) -> bytes:
    """Change the file behind its length."""
    return data[:4] + sound_seeds.changed(data[4:], chance, mutate)


HARNESS = Harness(
    {
        "decoded": Target(decoded, sound_seeds.seeds, sound_seeds.changed),
        "confirmed": Target(confirmed, claimed, behind_length),
    },
    codes=frozenset({7}),
    most_bytes=1 << 14,
    seconds=120,
    megabytes=2_048,
    kept=CRASHED,
)
