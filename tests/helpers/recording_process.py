"""`record` in a process of its own, which a test begins and ends."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from helpers.waiting import wait_for

if TYPE_CHECKING:
    import subprocess

    from helpers.memocast_user import Memocast
    from helpers.sound_card import SoundCard


def start_recording(user: Memocast, card: SoundCard, *options: str) -> subprocess.Popen[str]:
    """Start `record` and return once it hears the microphone."""
    before = card.listeners()
    process = user.start("record", *options)
    # Asking the device for its rates listens for a moment too; the file comes after that.
    wait_for("the file", lambda: process.poll() is not None or any(staged(user)))
    wait_for("the recorder", lambda: process.poll() is not None or card.listeners() > before)
    return process


def staged(user: Memocast) -> Any:
    return (user.library / "incoming").glob("recording-*/audio.*")


def end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out, err
