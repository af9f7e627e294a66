"""A sound card of the tests' own: PulseAudio with a virtual microphone and a virtual speaker."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from helpers.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from helpers.memocast_user import Memocast


@dataclass(frozen=True)
class SoundCard:
    """A PulseAudio server with one microphone and one speaker, both virtual and bit-exact."""

    environment: dict[str, str]

    def pactl(self, *arguments: str) -> str:
        return subprocess.run(
            ["pactl", *arguments],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def listeners(self) -> int:
        """How many programs record from the microphone now."""
        return len(self.pactl("list", "short", "source-outputs").splitlines())

    def unplug(self) -> None:
        """Take both devices away, as when the cable of a headset is pulled."""
        for line in self.pactl("list", "short", "modules").splitlines():
            if "module-null-sink" in line:
                self.pactl("unload-module", line.split()[0])

    def say(self, wav: Path) -> None:
        """Speak a 48 kHz mono WAV into the microphone, in real time."""
        self.start_saying(wav).wait()

    def start_saying(self, wav: Path) -> subprocess.Popen[bytes]:
        """Begin to speak and return at once."""
        return subprocess.Popen(
            ["paplay", "--device=vmic", str(wav)], env={**os.environ, **self.environment}
        )


@pytest.fixture(scope="session")
def sound_card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundCard]:
    """A sound card of this test session's own."""
    # A socket's path is at most 108 characters; pytest's folders can be longer.
    import tempfile

    with (
        tempfile.TemporaryDirectory(prefix="mc-pulse-") as folder,
        start_sound_card(Path(folder)) as card,
    ):
        yield card


@contextlib.contextmanager
def start_sound_card(folder: Path) -> Iterator[SoundCard]:
    """Run a PulseAudio server in `folder` while the block lasts."""
    socket = folder / "native"
    sinks = [
        part
        for name in ("vmic", "vspk")
        for part in (
            "-L",
            f"module-null-sink sink_name={name} rate=48000 channels=1 format=s16le norewinds=1",
        )
    ]
    server = subprocess.Popen(
        [
            *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"),
            "--use-pid-file=no",
            *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"),
            *sinks,
        ],
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    card = SoundCard({"PULSE_SERVER": f"unix:{socket}"})
    try:
        wait_for("PulseAudio", lambda: socket.exists() and _has_sinks(card))
        card.pactl("set-default-sink", "vspk")
        card.pactl("set-default-source", "vmic.monitor")
        yield card
    finally:
        server.kill()
        server.wait()


def _has_sinks(card: SoundCard) -> bool:
    try:
        return "vspk" in card.pactl("list", "short", "sinks")
    except subprocess.CalledProcessError:
        return False


@pytest.fixture
def speaking_anna(anna: Memocast, sound_card: SoundCard) -> Memocast:
    """Anna, at a machine with a microphone and a speaker."""
    anna.environment.update(sound_card.environment)
    return anna
