"""What recording takes while others keep all cores busy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from bench import peers, sound
from bench.contest import Contender, Failed, Outcome, Target, Unavailable, compete
from bench.processes import running, wait_for
from bench.world import MEMOCAST, PYTHON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.world import World
    from helpers.sound_card import SoundCard

TITLE = "Recording on a busy machine"
PEERS = peers.MEMOCAST | {
    "opusenc": ["opusenc", "--version"],
    "arecord": ["arecord", "--version"],
    "sox": ["sox", "--version"],
}

SECONDS = 60
EARLY = 10.0
RATE = 48_000
BITRATE = 46
"""kb/s, about what memocast's own recordings have."""

OURS, ARECORD, SOX = "memocast record", "arecord into opusenc", "sox into opusenc"


def measure(world: World) -> list[Outcome]:
    """48 kHz, mono, Opus, with a busy loop for each core, beside pipes into opusenc."""
    seconds = SECONDS // 4 if world.quick else SECONDS
    with sound.sound_card() as card, contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            busy = [PYTHON, "-c", "while True: pass"]
            stack.enter_context(running(busy, world.environment()))
        recorder = _Recorder(world, card, seconds)
        contenders = [
            Contender(OURS, recorder.by_memocast),
            Contender(ARECORD, recorder.by_arecord),
            Contender(SOX, recorder.by_sox),
        ]
        samples, absent = compete(contenders, 1 if world.quick else 2, warm_up=0)
    return _outcomes(recorder, samples, absent)


def _outcomes(
    recorder: _Recorder, samples: dict[str, list[float]], absent: dict[str, str]
) -> list[Outcome]:
    how = f"{recorder.seconds} s at 48 kHz, mono, from a virtual microphone, all cores busy"
    outcomes = [
        Outcome(
            f"CPU for each minute of sound: {how}",
            "s",
            samples,
            [Target(OURS, other, 1.5) for other in (ARECORD, SOX)],
            absent,
            [f"opusenc at {BITRATE} kb/s; both processes of a pipe together", *recorder.losses()],
        ),
        Outcome(
            f"Memory at its peak: {how}",
            "MB",
            {name: found for name, found in recorder.peak.items() if name in samples},
            notes=["resident, both processes of a pipe together"],
        ),
    ]
    for early, late in recorder.resident:
        growth = f"memocast had {early:.1f} MB resident after {EARLY:g} s, {late:.1f} MB at the end"
        outcomes[1].notes.append(growth)
    return outcomes


@dataclass
class _Recorder:
    """Records what the virtual microphone hears, in several ways. Sizes in MB."""

    world: World
    card: SoundCard
    seconds: int
    peak: dict[str, list[float]] = field(default_factory=dict)
    resident: list[tuple[float, float]] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)

    def losses(self) -> list[str]:
        """What became of the sound that memocast recorded."""
        if not self.lengths:
            return []
        off = max(abs(length - self.seconds) for length in self.lengths)
        complete = "reached" if not any(self.lost) else "**not reached**"
        right = "reached" if off <= 0.05 else "**not reached**"
        return [
            f"memocast counted {sum(self.lost):g} s that did not arrive, wanted none: {complete}",
            f"what it kept decodes to {self.seconds} s, give or take {off:.3f} s: {right}",
        ]

    def by_memocast(self) -> float:
        """CPU seconds a minute of `memocast record`."""
        with self.world.scratch() as folder:
            library = folder / "library"
            command = [MEMOCAST, "record", "--duration", str(self.seconds), "Measured"]
            spent = self._spent(OURS, [command], library)
            shown = json.loads(self.world.output(library, "show", "latest", "--json"))
            audio = library / "memos" / f"{shown['id']}.{shown['format']}"
            self.lost.append(shown["lost"])
            self.lengths.append(_decoded_seconds(audio))
            return spent

    def by_arecord(self) -> float:
        """CPU seconds a minute of arecord and opusenc."""
        record = ["arecord", "-q", "-f", "S16_LE", "-r", str(RATE), "-c", "1", "-t", "raw"]
        return self._piped(ARECORD, [*record, "-d", str(self.seconds)])

    def by_sox(self) -> float:
        """CPU seconds a minute of sox and opusenc."""
        listed = subprocess.run(["sox", "-h"], capture_output=True, text=True).stdout
        kinds = re.search(r"AUDIO DEVICE DRIVERS: (.*)", listed)
        known = kinds.group(1).split() if kinds else []
        kind = next((kind for kind in ("pulseaudio", "alsa") if kind in known), "")
        if not kind:
            raise Unavailable(f"this sox reads from no PulseAudio and no ALSA: {' '.join(known)}")
        record = ["sox", "-q", "-r", str(RATE), "-c", "1", "-t", kind, "default", "-b", "16"]
        return self._piped(SOX, [*record, "-t", "raw", "-", "trim", "0", str(self.seconds)])

    def _piped(self, name: str, record: list[str]) -> float:
        with self.world.scratch() as folder:
            target = folder / "recorded.opus"
            encode = ["opusenc", "--quiet", "--raw", "--raw-rate", str(RATE), "--raw-chan", "1"]
            encode += ["--bitrate", str(BITRATE), "-", str(target)]
            spent = self._spent(name, [record, encode], folder / "library")
            length = _decoded_seconds(target)
            if abs(length - self.seconds) > 0.5:
                raise Failed(f"recorded {length:.1f} s instead of {self.seconds}")
            return spent

    def _spent(self, name: str, commands: Sequence[Sequence[str]], library: Path) -> float:
        """Run the pipe while somebody speaks; its CPU seconds, for a minute of sound."""
        environment = self.world.environment(library, **self.card.environment)
        speech = self.world.wav((self.seconds + 30) * 2 * RATE)
        speak = ["paplay", "--device=vmic", str(speech)]
        with contextlib.ExitStack() as stack:
            stack.enter_context(running(speak, environment))
            wait_for("the speaker", lambda: self.card.pactl("list", "short", "sink-inputs"))
            source = subprocess.DEVNULL
            pipe = []
            for command in commands:
                process = stack.enter_context(
                    running(command, environment, stdin=source, stdout=subprocess.PIPE)
                )
                pipe.append(process)
                source = process.stdout
            # What reads alone keeps its end: the first learns when the other is gone.
            for process in pipe[:-1]:
                process.stdout.close()
            watch = _Watch([process.pid for process in pipe], self.seconds * 2 + 30.0)
        self.peak.setdefault(name, []).append(watch.peak)
        if name == OURS:
            self.resident.append((watch.early, watch.late))
        return watch.spent * 60 / self.seconds


class _Watch:
    """Follows processes to their ends, which must be good ones. Raises Failed."""

    def __init__(self, pids: Sequence[int], patience: float) -> None:
        self.spent = 0.0
        self.early = self.late = 0.0
        peaks = dict.fromkeys(pids, 0.0)
        begun = time.monotonic()
        left = set(pids)
        while left:
            if time.monotonic() - begun > patience:
                raise Failed(f"was not done after {patience:g} s")
            now = 0.0
            for pid in sorted(left):
                # Of the kernel's own account, the peak has our size in it, from before exec.
                memory = _memory(pid)
                peaks[pid] = max(peaks[pid], memory.get("VmHWM", 0.0))
                now += memory.get("VmRSS", 0.0)
                ended, status, usage = os.wait4(pid, os.WNOHANG)
                if ended:
                    left.discard(pid)
                    self.spent += usage.ru_utime + usage.ru_stime
                    if code := os.waitstatus_to_exitcode(status):
                        raise Failed(f"ended with {code}")
            self.late = now or self.late
            if time.monotonic() - begun < EARLY:
                self.early = now
            time.sleep(0.1)  # the memory is looked at ten times a second
        self.peak = sum(peaks.values())


def _memory(pid: int) -> dict[str, float]:
    """Of that process, in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines if line.startswith("Vm"))
    return {name.rstrip(":"): int(value) / 1000 for name, value, _ in pairs}


def _decoded_seconds(path: Path) -> float:
    """How long the sound is when all of it is decoded."""
    try:
        with soundfile.SoundFile(path) as file:
            blocks = file.blocks(blocksize=RATE, dtype="int16")
            return sum(len(block) for block in blocks) / file.samplerate
    except (OSError, soundfile.SoundFileError) as error:
        raise Failed(f"left no sound: {error}") from error
