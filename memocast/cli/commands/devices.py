"""The `devices` command."""

from __future__ import annotations

from memocast.cli.context import JsonOption
from memocast.cli.terminal import console


def devices(json: JsonOption = False) -> None:
    """List microphones and speakers; * marks the defaults.

    Example: memocast devices
    """
    from memocast.audio.devices import devices as find_devices

    found = find_devices()
    if json:
        console.document(
            [
                {
                    "index": device.index,
                    "name": device.name,
                    "inputs": device.inputs,
                    "outputs": device.outputs,
                    "sample_rate": device.sample_rate,
                    "default_input": device.default_input,
                    "default_output": device.default_output,
                }
                for device in found
            ]
        )
        return
    for device in found:
        for what, channels, default in (
            ("microphone", device.inputs, device.default_input),
            ("speaker", device.outputs, device.default_output),
        ):
            if channels:
                mark = "*" if default else ""
                name = console.safe(device.name)
                console.data(f"{device.index}\t{what}{mark}\t{device.sample_rate} Hz\t{name}")
    if not found:
        console.note("no microphone or speaker found")
