"""Microphones and speakers, through PortAudio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memocast.errors import DeviceError

_INSTALL = (
    "install PortAudio: 'sudo apt install libportaudio2' on Debian and Ubuntu,"
    " 'sudo dnf install portaudio' on Fedora, 'brew install portaudio' on macOS"
)


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
    """Return the module `sounddevice`. Raises DeviceError when PortAudio is missing."""
    try:
        import sounddevice
    except OSError as error:
        raise DeviceError("PortAudio is not installed", hint=_INSTALL) from error
    return sounddevice


def devices() -> list[Device]:
    """Return the devices PortAudio found when this process first asked. Raises DeviceError."""
    sounddevice = portaudio()
    try:
        found = sounddevice.query_devices()
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"PortAudio failed: {error.args[0]}", hint=_INSTALL) from error
    default_input, default_output = sounddevice.default.device
    return [
        Device(
            index=index,
            name=str(entry["name"]),
            inputs=int(entry["max_input_channels"]),
            outputs=int(entry["max_output_channels"]),
            sample_rate=int(entry["default_samplerate"]),
            default_input=index == default_input,
            default_output=index == default_output,
        )
        for index, entry in enumerate(found)
    ]


def microphone(selection: str) -> Device:
    """Return the input device chosen by number, name or part of a name; '' is the default."""
    found = [device for device in devices() if device.inputs]
    default = next((device for device in found if device.default_input), None)
    return _choose(found, default, selection, "microphone")


def speaker(selection: str) -> Device:
    """Return the output device chosen by number, name or part of a name; '' is the default."""
    found = [device for device in devices() if device.outputs]
    default = next((device for device in found if device.default_output), None)
    return _choose(found, default, selection, "speaker")


def _choose(found: list[Device], default: Device | None, selection: str, what: str) -> Device:
    if not found:
        raise DeviceError(f"no {what} found", hint="connect one and check again: memocast devices")
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
