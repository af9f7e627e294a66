"""The process that asks PortAudio for its devices; `portaudio_check` starts it.

It writes one JSON document to standard output: `{"devices": [...]}`, each as `devices.Device` has
it; or `{"failed": KIND, "said": TEXT}` with KIND `missing`, `configuration` or `portaudio`. What
ALSA prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any

_SECONDS = 20
"""A little more than the parent waits, which may have ended."""


def main() -> None:
    """Ask, and write the answer."""
    signal.alarm(_SECONDS)
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library's output is no answer
    json.dump(_answer(), output)
    output.close()
    os._exit(0)  # PortAudio's own end can crash too, and there is nothing left to do


def _answer() -> dict[str, Any]:
    said = _configuration_problem()
    if said:
        return {"failed": "configuration", "said": said}
    try:
        import sounddevice
    except OSError as error:
        return {"failed": "missing", "said": str(error)}
    except Exception as error:  # PortAudioError: its module cannot be named, it was not imported
        return {"failed": "portaudio", "said": str(error.args[0]) if error.args else repr(error)}
    try:
        return {"devices": described(sounddevice)}
    except sounddevice.PortAudioError as error:
        return {"failed": "portaudio", "said": str(error.args[0])}


def described(sounddevice: Any) -> list[dict[str, Any]]:
    """Return the fields of each `devices.Device`. Raises PortAudioError."""
    found = sounddevice.query_devices()
    default_input, default_output = sounddevice.default.device
    return [
        {
            "index": index,
            "name": str(entry["name"]),
            "inputs": int(entry["max_input_channels"]),
            "outputs": int(entry["max_output_channels"]),
            "sample_rate": int(entry["default_samplerate"]),
            "default_input": index == default_input,
            "default_output": index == default_output,
        }
        for index, entry in enumerate(found)
    ]


def _configuration_problem() -> str:
    """Have ALSA read its configuration before PortAudio does, which hides what ALSA prints then.

    Returns ALSA's word for the error, or '' if there is none or no ALSA.
    """
    if not sys.platform.startswith("linux"):
        return ""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        alsa = ctypes.CDLL("libasound.so.2")
        code = alsa.snd_config_update()
        if code < 0:
            alsa.snd_strerror.restype = ctypes.c_char_p
            return str(alsa.snd_strerror(code).decode(errors="replace"))
    return ""


if __name__ == "__main__":
    main()
