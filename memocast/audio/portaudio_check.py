"""Finds out whether PortAudio starts: where it does not, it may crash, or hang for ever.

`devices` and `doctor` ask another process, and take its answer. Recording and playing need
PortAudio in their own process and must begin at once: they ask the other one only where it may
crash, which is where ALSA's configuration is not the system's own; `begin` lets it run while they
load. A sound server that never answers is noticed by a thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from memocast.errors import DeviceError
from memocast.processes import process_limits
from memocast.processes.crash_watch import how_it_ended

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

T = TypeVar("T")

_INSTALL = (
    "install PortAudio: 'sudo apt install libportaudio2' on Debian and Ubuntu,"
    " 'sudo dnf install portaudio' on Fedora, 'brew install portaudio' on macOS"
)

_SECONDS = 10.0
_ENDING_SECONDS = 1.0
_OF_ALSA = ("ALSA_CONFIG_PATH", "ALSA_CONFIG_DIR")
_OF_SERVERS = ("PULSE_SERVER", "PULSE_CLIENTCONFIG", "PULSE_RUNTIME_PATH", "PIPEWIRE_REMOTE")
_MOST_SHOWN = 300
"""Characters of what ALSA printed."""

_running: list[subprocess.Popen[bytes]] = []
_settled: list[bool] = []
"""Not empty once PortAudio was seen to start, or nothing is unusual."""

_hanging: list[threading.Thread] = []
_has_started: list[bool] = []


def begin() -> None:
    """Start asking if something is unusual, so that `ensure` need not wait as long.

    Raises DeviceError.
    """
    if not _settled and not _running and _is_unusual():
        _start()


def ensure() -> None:
    """Return if PortAudio can be expected to start here. Raises DeviceError."""
    begin()
    if _running:
        ask()
    _settled.append(True)


def ask() -> list[dict[str, Any]]:
    """Return PortAudio's devices, as `portaudio_process` writes them. Raises DeviceError."""
    import subprocess

    if not _running:
        _start()
    process = _running.pop()
    try:
        out, err = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        _abandon(process)
        raise _silent() from None
    except BaseException:  # Ctrl-C
        _abandon(process)
        raise
    if process.returncode != 0:
        raise _crashed(process.returncode, err)
    try:
        answer = json.loads(out)
    except ValueError:  # a library has ended the process as if all were well
        raise _crashed(process.returncode, err) from None
    match answer.get("failed"):
        case "missing":
            raise missing()
        case "configuration":
            said = _of_alsa(err) or answer["said"]
            raise DeviceError(f"ALSA's configuration cannot be read: {said}", hint=_hint())
        case "portaudio":
            raise DeviceError(f"PortAudio cannot start: {answer['said']}", hint=_hint())
    devices: list[dict[str, Any]] = answer["devices"]
    return devices


def within_time(start: Callable[[], T]) -> T:
    """Return what `start` returns, which starts PortAudio. Raises DeviceError if it hangs."""
    if _hanging:
        raise _silent()
    if _has_started or not sys.platform.startswith("linux"):
        return start()
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(start())
        except BaseException as error:  # raised again below
            failed.append(error)

    # A thread that hangs in PortAudio is left behind; it ends with the process.
    thread = threading.Thread(target=run, name="portaudio", daemon=True)
    thread.start()
    thread.join(_SECONDS)
    if thread.is_alive():
        _hanging.append(thread)
        raise _silent()
    if failed:
        raise failed[0]
    _has_started.append(True)
    return found[0]


def missing() -> DeviceError:
    """Return the error for a PortAudio that was not found, which takes memory and a process."""
    if any(letter in "vdun" for letter in process_limits.tight()):
        return DeviceError("PortAudio cannot be loaded", hint="run it again with higher limits")
    return DeviceError("PortAudio is not installed", hint=_INSTALL)


def unusual_settings() -> list[str]:
    """Return the variables and files that change which devices there are, for hints."""
    names = [name for name in _OF_SERVERS if name in os.environ]
    clients = [_config_folder() / "pulse" / "client.conf"]
    return [
        *_alsa_settings(),
        *(f"${name} ('{os.environ[name]}')" for name in names),
        *(str(path) for path in clients if os.path.lexists(path)),
    ]


def _alsa_settings() -> list[str]:
    """Return the variables and files by which ALSA's configuration is not the system's own."""
    names = [name for name in _OF_ALSA if name in os.environ]
    files = [Path("/etc/asound.conf"), _config_folder() / "alsa" / "asoundrc"]
    if "HOME" in os.environ:
        files.append(Path(os.environ["HOME"]) / ".asoundrc")
    return [
        *(f"${name} ('{os.environ[name]}')" for name in names),
        *(str(path) for path in files if os.path.lexists(path)),
    ]


def _config_folder() -> Path:
    home = os.environ.get("HOME", "/")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path(home) / ".config")


def _is_unusual() -> bool:
    is_short = any(letter in "vdsun" for letter in process_limits.tight())
    lacks_alsa = sys.platform.startswith("linux") and not Path("/usr/share/alsa/alsa.conf").exists()
    return is_short or lacks_alsa or bool(_alsa_settings())


def _start() -> None:
    """Start the process. Raises DeviceError."""
    # -P: do not import from a folder 'memocast' in the current directory.
    command = [sys.executable, "-P", "-m", "memocast.audio.portaudio_process"]
    try:
        import subprocess

        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the command, which ends it
        )
    except OSError as error:
        said, hint = process_limits.cause(error) or (str(error), _hint())
        raise DeviceError(f"PortAudio cannot be started: {said}", hint=hint) from error
    _running.append(process)


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Kill the process. One that waits for a driver may not end before the machine does."""
    import subprocess

    process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_ENDING_SECONDS)


def _crashed(code: int, err: bytes) -> DeviceError:
    last = err.decode(errors="replace").strip().splitlines()[-1:] or [""]
    if code > 0 and process_limits.tight() and "Error" in last[0]:  # the interpreter could not run
        said, hint = process_limits.sentence(process_limits.tight()[0])
        return DeviceError(f"PortAudio cannot start: {said}", hint=hint)
    said = _of_alsa(err)
    how = f"{how_it_ended(code)}{said and f': {said}'}"
    return DeviceError(
        f"PortAudio crashed while it looked for devices ({how})",
        hint=_hint(),
    )


def _silent() -> DeviceError:
    return DeviceError(f"PortAudio does not answer; waited {_SECONDS:.0f} s", hint=_hint())


def _hint() -> str:
    unusual = unusual_settings()
    if unusual:
        return f"check, correct or move away: {', '.join(unusual)}"
    return "is the sound server running, and ALSA's configuration installed? then: memocast devices"


def _of_alsa(err: bytes) -> str:
    """Return what ALSA printed, without the places in its source."""
    said = []
    for line in err.decode(errors="replace").splitlines():
        head, found, text = line.partition(") ")
        # The last ones only say where in ALSA it was noticed.
        if head.startswith("ALSA lib") and found and not text.startswith(("function", "hooks")):
            said.append(text)
    return "; ".join(dict.fromkeys(said))[:_MOST_SHOWN]
