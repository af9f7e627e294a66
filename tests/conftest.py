"""What the tests share: real processes, real libraries, a real microphone.

Nothing here leaves this machine. Every process that a test starts has the
trackers, the DHT's bootstrap nodes, LSD and port mapping turned off and
listens on loopback; a test turns on exactly what it is about.
"""

from __future__ import annotations

import gc
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("helpers")  # before any of it is imported: it has asserts too

from helpers.full_or_short import FULL, scaled
from helpers.made_sounds import encoded
from helpers.memocast_user import Memocast
from memocast.library.library import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

# A shell has its background jobs ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "helpers.browser",
    "helpers.dht_network",
    "helpers.page_recorder",
    "helpers.page_stranger",
    "helpers.sound_card",
    "helpers.web_server",
]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark what needs a real browser: it is run apart from what needs real-time sound.

    What is marked `full` is left out of all but a full run.

    Each worker is given as many tests in a row. What is long is mostly waiting: it is spread over
    all of them and over their time, so that something else keeps the processor busy meanwhile, and
    none is left with it at the end.
    """
    for item in items:
        if "net" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
    if not FULL:
        full = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=full)
    yield  # which leaves those that were chosen
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.get_closest_marker("long")]
    rest = [item for item in items if not item.get_closest_marker("long")]
    items.clear()
    for number in range(workers):
        share = rest[len(rest) * number // workers : len(rest) * (number + 1) // workers]
        mine = long[number::workers]
        for place, item in reversed(list(enumerate(mine))):
            share.insert(len(share) * place * 2 // (3 * len(mine)), item)
        items += share


def pytest_collection_finish() -> None:
    """Keep what was collected from being looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


# How long an example takes says how busy the machine is.
settings.register_profile(
    "memocast",
    max_examples=scaled(200, 30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("memocast")


@pytest.fixture
def memocast(tmp_path: Path) -> Iterator[Callable[..., Memocast]]:
    """Make users: `memocast("anna")` has a home and a library of her own."""
    made: list[Memocast] = []

    def make(name: str = "anna", **environment: str) -> Memocast:
        user = Memocast(tmp_path / name, **environment)
        made.append(user)
        return user

    yield make
    for user in made:
        user.stop()


@pytest.fixture
def anna(memocast: Callable[..., Memocast]) -> Memocast:
    """Somebody who records and shares."""
    return memocast("anna")


@pytest.fixture
def ben(memocast: Callable[..., Memocast]) -> Memocast:
    """Somebody who listens."""
    return memocast("ben")


@pytest.fixture
def memo(anna: Memocast, opus: Path) -> str:
    """A memo of Anna's with everything that should travel."""
    return anna.add(opus, title="Grüße 🎙 from Anna", description="two\nlines & ünïcode")


@pytest.fixture
def link(anna: Memocast, memo: str) -> str:
    """A private link to Anna's memo, which her seeder answers."""
    return anna.run("share", memo, "--private", "--direct").out.strip()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """A library in this process."""
    found = Library(tmp_path / "library")
    yield found
    found.close()


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds or so of speech, 48 kHz mono, 16 bits, as WAV."""
    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("speech")
    said = "The quick brown fox jumps over the lazy dog. Call me back before noon on Thursday."
    subprocess.run(["espeak-ng", "-w", folder / "raw.wav", said], check=True)
    samples, rate = soundfile.read(folder / "raw.wav")
    places = np.arange(int(len(samples) * 48_000 / rate)) * rate / 48_000
    soundfile.write(
        folder / "speech.wav",
        np.interp(places, np.arange(len(samples)), samples) * 0.8,
        48_000,
        subtype="PCM_16",
    )
    return folder / "speech.wav"


@pytest.fixture(scope="session")
def opus(speech: Path) -> Path:
    """The speech as Ogg Opus."""
    return encoded(speech, speech.with_name("speech.opus"), format="OGG", subtype="OPUS")


@pytest.fixture(scope="session")
def flac(speech: Path) -> Path:
    """The speech as FLAC."""
    return encoded(speech, speech.with_name("speech.flac"), format="FLAC")


@pytest.fixture(scope="session")
def long_memo(speech: Path) -> Path:
    """Half a minute of speech, as FLAC: about 1 MB."""
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(speech, dtype="int16")
    soundfile.write(speech.with_name("long.flac"), np.tile(samples, 6), rate, format="FLAC")
    return speech.with_name("long.flac")
