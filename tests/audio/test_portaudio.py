"""PortAudio and ALSA that fail, crash or hang while they start."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NoReturn

import pytest

from helpers.memocast_user import Result
from helpers.terminal import Terminal
from memocast.audio import portaudio_check
from memocast.errors import DeviceError

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.memocast_user import Memocast

BRACE_MISSING = "pcm.!default {\n type plug\n slave.pcm null\n"
NO_BLOCK = 'pcm "x"\n'


def failing(user: Memocast, kind: str) -> tuple[Memocast, str, str]:
    """The user with such a configuration, what is said of it, and what the hint names."""
    own, other = user.home / ".asoundrc", user.home / "asound.conf"
    if kind == "brace missing":
        own.write_text(BRACE_MISSING)
        return user, "ALSA's configuration cannot be read: _toplevel_:4:0:", str(own)
    if kind == "a folder that is empty":
        user = user.with_(ALSA_CONFIG_DIR=str(user.home))
        return user, "PortAudio crashed while it looked for devices (SIGABRT", "$ALSA_CONFIG_DIR"
    if kind == "no such file":
        user = user.with_(ALSA_CONFIG_PATH="/nonexistent")
        return user, "crashed while it looked for devices (SIGABRT", "$ALSA_CONFIG_PATH ('/none"
    if kind == "no devices in it":
        other.write_text(NO_BLOCK)
        user = user.with_(ALSA_CONFIG_PATH=str(other))
        return user, "PortAudio crashed while it looked for devices (SIGABRT", str(other)
    if kind == "a library that ends the process":
        (user.home / "sounddevice.py").write_text("import ctypes; ctypes.CDLL(None).exit(0)")
        user = user.with_(PYTHONPATH=str(user.home), ALSA_CONFIG_PATH="/usr/share/alsa/alsa.conf")
        return user, "crashed while it looked for devices (exit code 0)", "$ALSA_CONFIG_PATH"
    other.parent.joinpath("libs").mkdir()
    (user.home / "libs" / "libportaudio.so.2").write_bytes(b"no library")
    user = user.with_(LD_LIBRARY_PATH=str(user.home / "libs"))
    return user, "PortAudio is not installed", "libportaudio2"


@pytest.mark.parametrize(
    "kind",
    [
        "brace missing",
        "a folder that is empty",
        "no such file",
        "no devices in it",
        "a library that ends the process",
        "no library",
    ],
)
def test_a_sound_system_that_cannot_start_is_named_by_every_command(
    anna: Memocast, opus: Path, kind: str
) -> None:
    anna.add(opus)
    user, what, where = failing(anna, kind)
    for command in (["devices"], ["record"], ["play", "latest"]):
        result = user.run(*command, expect=4)
        assert result.out == ""
        message, hint = result.err.splitlines()
        assert message.startswith("memocast: error: ")
        assert what in message
        assert where in hint
    lines = user.run("doctor", expect=1).lines
    (sound,) = (line for line in lines if line.startswith("problem\tsound\t"))
    assert what in sound
    assert where in sound
    checks = {line.split("\t")[1] for line in lines}
    assert {"library", "audio files", "seeder", "listening", "browsers"} <= checks
    assert not {"microphone", "speaker"} & checks


def test_what_alsa_prints_reaches_no_terminal(anna: Memocast) -> None:
    user, what, _ = failing(anna, "brace missing")
    with Terminal(user, columns=200) as terminal:
        lines = terminal.run("memocast record; memocast devices")
    assert sum(f"memocast: error: {what}" in line for line in lines) == 2
    assert not [line for line in lines if "ALSA lib" in line]


SILENT = """
import ctypes
from memocast.audio import devices
if {is_asked}:
    devices.portaudio()
    devices.portaudio()
# As ALSA does of an underrun, in the thread that plays.
found = ctypes.c_void_p()
assert ctypes.CDLL("libasound.so.2").snd_pcm_open(ctypes.byref(found), b"no such device", 0, 0) < 0
"""


@pytest.mark.parametrize("is_asked", [False, True])
def test_what_alsa_says_while_it_plays_is_not_heard(is_asked: bool) -> None:
    code = SILENT.format(is_asked=is_asked)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("ALSA lib" in done.stderr) != is_asked


@pytest.mark.long
def test_a_sound_server_that_never_answers_holds_nothing_up_for_ever(anna: Memocast) -> None:
    with tempfile.TemporaryDirectory(prefix="mc-") as folder, socket.socket(socket.AF_UNIX) as dead:
        path = f"{folder}/native"
        dead.bind(path)
        dead.listen()
        user = anna.with_(PULSE_SERVER=f"unix:{path}")
        processes = [user.start(*command) for command in (["record"], ["devices"])]
        for process in processes:
            out, err = process.communicate(timeout=50)
            result = Result(process.returncode, out, err)
            assert result.code == 4, result
            assert "PortAudio does not answer" in result.err
            assert f"$PULSE_SERVER ('unix:{path}')" in result.err
    assert not any((anna.library / "incoming").glob("recording-*"))


class Uninterruptible(subprocess.Popen[bytes]):
    """A process that waits for a driver: it says nothing, and no signal ends it."""

    def kill(self) -> None:
        pass

    def communicate(self, *_: object, timeout: float | None = None) -> NoReturn:
        raise subprocess.TimeoutExpired(self.args, timeout or math.inf)

    def wait(self, timeout: float | None = None) -> NoReturn:
        assert timeout is not None, "that would take for ever"
        raise subprocess.TimeoutExpired(self.args, timeout)


def test_a_driver_that_lets_nothing_go_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Uninterruptible(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    monkeypatch.setattr(portaudio_check, "_running", [stuck])
    with pytest.raises(DeviceError, match="does not answer"):
        portaudio_check.ask()
    assert stuck.stdout
    assert stuck.stdout.closed
    assert stuck.stdin
    stuck.stdin.close()
    subprocess.Popen.wait(stuck)


def test_a_configuration_of_ones_own_that_works_is_used(
    speaking_anna: Memocast,
) -> None:
    anna = speaking_anna
    (anna.home / ".asoundrc").write_text("pcm.booth { type pulse }\n")
    assert any("booth" in line for line in anna.run("devices").lines)
    shown = anna.run("record", "--duration", "0.3", "--device", "booth")
    assert "recording from booth" in shown.err
    assert anna.audio(shown.out.strip()).exists()
