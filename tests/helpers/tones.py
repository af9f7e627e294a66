"""Tones that ffmpeg encodes, and what is heard of them afterwards."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Tone:
    """A tone of some seconds, and how it is kept: what ffmpeg is told."""

    container: str
    codec: str
    hertz: int = 440
    seconds: float = 1.0
    rate: int = 48_000
    channels: int = 1
    more: tuple[str, ...] = ()

    def content(self) -> bytes:
        """The file."""
        return made(self)


@functools.cache
def made(tone: Tone) -> bytes:
    """What ffmpeg makes of it."""
    sound = f"sine=frequency={tone.hertz}:duration={tone.seconds}:sample_rate={tone.rate}"
    options = ["-c:a", tone.codec, "-ac", str(tone.channels), "-ar", str(tone.rate), *tone.more]
    if tone.container == "mp4":
        options += ["-movflags", "frag_keyframe+empty_moov"]
    with tempfile.NamedTemporaryFile() as file:  # through a pipe, it could not tell its length
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", sound, *options]
        subprocess.run([*command, "-f", tone.container, file.name], check=True)
        return Path(file.name).read_bytes()


def opus(hertz: int, seconds: float = 1.0, **fields: object) -> Tone:
    return Tone("ogg", "libopus", hertz, seconds, **fields)  # type: ignore[arg-type]


def vorbis(hertz: int, seconds: float = 1.0, **fields: object) -> Tone:
    return Tone("ogg", "libvorbis", hertz, seconds, **fields)  # type: ignore[arg-type]


def mp3(hertz: int, seconds: float = 1.0, rate: int = 44_100, *more: str) -> Tone:
    return Tone("mp3", "libmp3lame", hertz, seconds, rate, 1, more)


SLACK = 0.2
"""Seconds. Encoders of MP3 and AAC add silence where they cannot say so: more at low rates."""


PLAIN = ("-write_xing", "0", "-id3v2_version", "0")


def heard(found: Iterable[tuple[int, NDArray[np.float32]]]) -> tuple[int, NDArray[np.float32]]:
    """The rate and all samples of the first channel; neither rate nor channels may change."""
    collected = list(found)
    assert len({(rate, block.shape[1]) for rate, block in collected}) == 1
    return collected[0][0], np.concatenate([block[:, 0] for _, block in collected])


def pitch(samples: NDArray[np.float32], rate: int) -> float:
    """The loudest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


LISTEN = """
import sys
from pathlib import Path
from memocast.errors import Refused
from memocast.fetching.growing_file import GrowingFile
from memocast.fetching.growing_audio import stream

path = Path(sys.argv[1])
growing = GrowingFile(path.stat().st_size, 1 << 20, lambda _: None)
growing.settle(path)
try:
    print(sum(len(block) for _, block in stream(growing.open, float(sys.argv[2]))))
except Refused:
    print("refused")
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""
