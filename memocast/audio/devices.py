"""Microphones and speakers, through PortAudio."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memocast.audio import portaudio_check, portaudio_process
from memocast.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Device:
    """An audio device; `inputs` and `outputs` count channels, `sample_rate` (default) is in Hz."""

    index: int
    name: str
    inputs: int
    outputs: int
    sample_rate: int
    default_input: bool
    default_output: bool


def portaudio() -> Any:
    """Return the module `sounddevice`. Raises DeviceError when PortAudio is missing or fails."""
    portaudio_check.ensure()
    try:
        return portaudio_check.within_time(_sounddevice)
    except OSError as error:
        raise portaudio_check.missing() from error
    except DeviceError:
        raise
    except Exception as error:
        if type(error).__name__ != "PortAudioError":  # of a module that was not imported
            raise
        portaudio_check.ask()  # it knows the reason
        raise DeviceError(
            f"PortAudio cannot start: {error.args[0] if error.args else error}",
            hint="look for the reason: memocast doctor",
        ) from error


def _sounddevice() -> Any:
    import sounddevice

    if not _handlers:
        _silence_alsa()
    return sounddevice


_handlers: list[Any] = []
"""What ALSA calls, which must stay."""


def _silence_alsa() -> None:
    """Have ALSA print nothing: it tells of underruns, which it recovers from, on standard error."""
    import ctypes

    # File, line, function, error and format (alsa/error.h); the values that follow are not read.
    arguments = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
    _handlers.append(ctypes.CFUNCTYPE(None, *arguments)(lambda *_: None))
    with contextlib.suppress(OSError, AttributeError):  # a system without ALSA
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(_handlers[0])


def devices() -> list[Device]:
    """Return the devices that PortAudio finds in another process. Raises DeviceError."""
    return [Device(**facts) for facts in portaudio_check.ask()]


def own_devices() -> list[Device]:
    """Return the devices PortAudio found when this process first asked. Raises DeviceError."""
    sounddevice = portaudio()
    try:
        found = portaudio_process.described(sounddevice)
    except sounddevice.PortAudioError as error:
        raise DeviceError(
            f"PortAudio failed: {error.args[0]}", hint="look for the reason: memocast doctor"
        ) from error
    return [Device(**facts) for facts in found]


def microphone(selection: str, among: Sequence[Device]) -> Device:
    """Return the input device chosen by number, name or part of a name; '' is the default."""
    found = [device for device in among if device.inputs]
    default = next((device for device in found if device.default_input), None)
    return _choose(found, default, selection, "microphone")


def speaker(selection: str, among: Sequence[Device]) -> Device:
    """Return the output device chosen by number, name or part of a name; '' is the default."""
    found = [device for device in among if device.outputs]
    default = next((device for device in found if device.default_output), None)
    return _choose(found, default, selection, "speaker")


def _choose(found: list[Device], default: Device | None, selection: str, what: str) -> Device:
    if not found:
        unusual = portaudio_check.unusual_settings()
        also = f"; these choose what is found: {', '.join(unusual)}" if unusual else ""
        raise DeviceError(
            f"no {what} found", hint=f"connect one and check again: memocast devices{also}"
        )
    if not selection:
        return default or found[0]
    if selection.isdecimal():
        fitting = [device for device in found if device.index == int(selection)]
    else:
        wanted = selection.casefold()
        fitting = [device for device in found if device.name.casefold() == wanted]
        fitting = fitting or [device for device in found if wanted in device.name.casefold()]
    if not fitting:
        raise DeviceError(f"there is no {what} '{selection}'", hint="list them: memocast devices")
    return fitting[0]
