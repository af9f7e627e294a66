"""A recording is killed at any moment, or goes on for hours."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from helpers.full_or_short import chances, pause, record, scaled
from helpers.heard_sounds import alignment
from helpers.processes import running
from helpers.waiting import wait_for
from memocast.audio import recording_file
from memocast.errors import NoSound

if TYPE_CHECKING:
    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard

RATE = 48_000
HERE = Path(__file__).parent


@pytest.mark.timeout(600)
def test_at_most_250_ms_of_what_the_encoder_took_are_missing_after_a_kill(
    speech: Path, tmp_path: Path
) -> None:
    random = chances()
    kills = scaled(50, 4)
    missing = []
    for number in range(kills):
        target, counter = tmp_path / f"{number}.opus", tmp_path / f"{number}.count"
        counter.write_bytes(bytes(8))
        command = [sys.executable, HERE / "doomed.py", speech, target, counter]
        with running(subprocess.Popen(command, stderr=subprocess.PIPE)) as process:
            wait_for("the first frames", lambda counter=counter: frames_of(counter))
            pause(random.uniform(0, 2))
            assert process.poll() is None, process.stderr and process.stderr.read()
        handed = frames_of(counter)
        kept = kept_frames(target)
        missing.append((handed - kept) / RATE)
    record("kill -9 of the encoder", kills=kills, **spread(missing))
    assert max(missing) <= 0.25


def frames_of(counter: Path) -> int:
    return int(struct.unpack("<Q", counter.read_bytes())[0])


def kept_frames(path: Path) -> int:
    try:
        recording_file.salvage(path, "opus")
    except NoSound:
        return 0
    return int(soundfile.info(path).frames)


def spread(values: list[float]) -> dict[str, float]:
    """In milliseconds."""
    return {
        "median_ms": round(float(np.median(values)) * 1000),
        "worst_ms": round(max(values) * 1000),
    }


@pytest.mark.timeout(900)
@pytest.mark.alone
def test_at_most_400_ms_of_what_was_spoken_are_missing_after_a_kill(
    speaking_anna: Memocast, sound_card: SoundCard, tmp_path: Path
) -> None:
    random = chances()
    kills = scaled(50, 3)
    murmur = tmp_path / "murmur.wav"
    soundfile.write(murmur, murmuring(kills * 8), RATE, subtype="PCM_16")
    missing = []
    with running(sound_card.start_saying(murmur)), listening(sound_card) as heard:
        wait_for("sound", lambda: heard.frames)
        for number in range(kills):
            before = sound_card.listeners()
            title, text = f"Kill {number}", f"number {number}"
            with running(speaking_anna.start("record", title, "-d", text)) as process:
                wait_for("the recorder", lambda before=before: sound_card.listeners() > before)
                staged = speaking_anna.library / "incoming"
                wait_for("its file", lambda staged=staged: next(staged.glob("*/audio.opus"), None))
                began = heard.frames
                pause(random.uniform(0, 3))
                process.send_signal(signal.SIGKILL)
                spoken = heard.frames + heard.lag
                process.wait()
            listed = speaking_anna.run("list", "--json")
            memos = [memo for memo in listed.json if memo["title"] == title]
            if not memos:
                assert listed.err == ""
                missing.append((spoken - began) / RATE)
                continue
            assert listed.err.count("recovered an unfinished recording as memo") == 1
            (memo,) = memos
            assert memo["description"] == text
            shown = speaking_anna.show(memo["id"])
            assert max(shown["peaks"]) > 20
            again = speaking_anna.run("list", "--json")
            assert (again.json, again.err) == (listed.json, "")
            samples, _ = soundfile.read(speaking_anna.audio(memo["id"]))
            missing.append((spoken - heard.end_of(samples)) / RATE)
    record("kill -9 of 'record'", kills=kills, adopted=len(again.json), **spread(missing))
    assert max(missing) <= 0.4


def murmuring(seconds: float) -> Any:
    """Noise in the range of a voice, no part of which is like another."""
    noise = np.random.default_rng(11).normal(0, 1, round(seconds * RATE))
    spectrum = np.fft.rfft(noise)
    pitch = np.fft.rfftfreq(len(noise), 1 / RATE)
    spectrum[(pitch < 150) | (pitch > 1500)] = 0
    voice = np.fft.irfft(spectrum, len(noise))
    return 0.25 * voice / voice.std()


class Heard:
    """Everything that the microphone has delivered so far, to a listener that is never late."""

    lag = RATE // 50
    """Frames that have been spoken and not yet heard here, at most."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self.frames = 0

    def take(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self.frames += len(chunk) // 2

    def end_of(self, samples: Any) -> int:
        """The frame at which a recording of the same sound ends."""
        everything = np.frombuffer(b"".join(self._chunks), np.int16) / 32_768
        tail = samples[-RATE:]
        recent = everything[-30 * RATE :]
        lag, correlation = alignment(recent, tail)
        assert correlation > 0.6
        return len(everything) - len(recent) + lag + len(tail)


class listening:  # noqa: N801 - a context manager
    """Hear the microphone, as any other program can, while the block lasts."""

    def __init__(self, card: SoundCard) -> None:
        self._card = card

    def __enter__(self) -> Heard:
        self._process = subprocess.Popen(
            [
                *("parec", "--device=vmic.monitor", "--raw", "--format=s16le"),
                *("--rate=48000", "--channels=1", "--latency-msec=10"),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, **self._card.environment},
        )
        heard = Heard()
        self._thread = threading.Thread(target=self._read, args=(heard,))
        self._thread.start()
        return heard

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.join()
        self._process.wait()

    def _read(self, heard: Heard) -> None:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 1 << 16):
            heard.take(chunk)
        self._process.stdout.close()


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("format_", ["opus", "wav"])
def test_ten_hours_cost_no_more_memory_than_the_first_minutes(
    speech: Path, tmp_path: Path, format_: str
) -> None:
    hours = scaled(36_000, 360 if format_ == "wav" else 60) / 3600
    done = subprocess.run(
        [sys.executable, HERE / "marathon.py", speech, tmp_path / f"long.{format_}", str(hours)],
        check=True,
        capture_output=True,
        text=True,
    )
    memory = [int(line) for line in done.stdout.splitlines()]
    record(
        f"{hours:g} h of {format_}",
        first_tenth_mb=round(memory[0] / 1e6, 1),
        whole_mb=round(memory[-1] / 1e6, 1),
    )
    assert memory[-1] < memory[0] + 4_000_000
    (tmp_path / f"long.{format_}").unlink()
