"""What the tests share: real processes, real libraries, a real microphone.

Nothing here leaves this machine. Every process that a test starts has the
trackers, the DHT's bootstrap nodes, LSD and port mapping turned off and
listens on loopback; a test turns on exactly what it is about.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from helpers.command_spawner import Spawner
from helpers.full_or_short import scaled
from helpers.private_settings import PRIVATE
from memocast.library.library import Library
from memocast.library.seeder_lock import SeederLock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from helpers.network_namespaces import Host

# A shell has its background jobs ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    f"helpers.{name}" for name in ("browser", "dht_network", "sound_card", "web_server")
]


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Mark what needs a real browser: it is run apart from what needs real-time sound.

    Each worker is given as many tests in a row. What is long is mostly waiting: it is spread over
    all of them and over their time, so that something else keeps the processor busy meanwhile, and
    none is left with it at the end.
    """
    for item in items:
        if "net" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
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


DEADLINE = 60.0
"""Seconds that anything a test waits for may take on a slow machine.

A page that found nobody asks again after a quarter of a minute, and then after half of one.
"""

# How long an example takes says how busy the machine is.
settings.register_profile(
    "memocast",
    max_examples=scaled(200, 30),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("memocast")


def wait_for(what: str, probe: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The first true value of `probe`, asked again and again until the deadline.

    One that takes long is asked less often: what is waited for needs the processor, too.
    """
    deadline = time.monotonic() + seconds
    while (asked := time.monotonic()) < deadline:
        found = probe()
        if found:
            return found
        select.select([], [], [], max(0.02, 3 * (time.monotonic() - asked)))
    pytest.fail(f"waited {seconds:g} s in vain for {what}")


@functools.cache
def spawner() -> Spawner:
    """What runs the commands of this test session."""
    found = Spawner()
    atexit.register(found.close)
    return found


def _is_for_the_interpreter(environment: Mapping[str, str]) -> bool:
    """Whether Python or the loader would have to begin anew to obey these variables."""
    if environment.get("LANG") != "C.UTF-8":
        return True
    of_both = set(environment) - {"PYTHONIOENCODING"}  # the spawner obeys that one too
    return any(name.startswith(("PYTHON", "LD_", "LC_")) for name in of_both)


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Memocast:
    """`memocast` in processes of its own, with one library and an environment of its own."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.host: Host | None = None  # a machine of the test's own, or this one
        self.library = home / "library"
        home.mkdir(parents=True, exist_ok=True)
        # Coverage of locale and colours: what a script sees, not what this terminal has.
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MEMOCAST_LIBRARY": str(self.library),
            **PRIVATE,
            **environment,
        }

    def with_(self, **environment: str) -> Memocast:
        """The same library under other settings."""
        twin = Memocast(self.home)
        twin.host = self.host
        twin.environment = {**self.environment, **environment}
        return twin

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command and return its process."""
        options = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": self.environment,
            "cwd": self.home,
            **options,
        }
        with self.host.entered() if self.host else contextlib.nullcontext():
            return subprocess.Popen([sys.executable, "-m", "memocast", *arguments], **options)

    def run(self, *arguments: str, expect: int | None = 0, stdin: str | bytes = b"") -> Result:
        """Run a command to its end; it must end with the exit code `expect`."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        if _is_for_the_interpreter(self.environment):
            code, out, err = self._run_anew(arguments, given)
        else:
            with self.host.entered() if self.host else contextlib.nullcontext():
                code, out, err = spawner().run(arguments, self.environment, self.home, given, 60)
        result = Result(code, out.decode(errors="replace"), err.decode())
        assert "Traceback" not in result.err, result.err
        assert "memocast: error: unexpected" not in result.err, result.err
        if expect is not None:
            assert result.code == expect, result
        if expect:
            assert "memocast: error: " in result.err or expect in (1, 130), result
        return result

    def _run_anew(self, arguments: Sequence[str], given: bytes) -> tuple[int, bytes, bytes]:
        process: subprocess.Popen[Any] = self.start(*arguments, stdin=subprocess.PIPE, text=False)
        try:
            out, err = process.communicate(given, timeout=60)
        except BaseException:
            process.kill()
            process.communicate()
            raise
        return process.returncode, out, err

    def shell(self, script: str, expect: int = 0) -> Result:
        """Run a POSIX shell script, as a user's would."""
        with self.host.entered() if self.host else contextlib.nullcontext():
            done = subprocess.run(
                ["sh", "-c", script],
                env=self.environment,
                cwd=self.home,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        assert done.returncode == expect, done
        return Result(done.returncode, done.stdout, done.stderr)

    def add(self, path: Path, **options: str) -> str:
        """Add a file; return the id of its memo."""
        flags = [text for name, value in options.items() for text in (f"--{name}", value)]
        return self.run("add", str(path), *flags).out.strip()

    def show(self, memo: str = "latest") -> Any:
        """The memo as `show --json` prints it."""
        return self.run("show", memo, "--json").json

    def audio(self, memo: str = "latest") -> Path:
        """The memo's audio file."""
        shown = self.show(memo)
        return self.library / "memos" / f"{shown['id']}.{shown['format']}"

    def seeder(self) -> Any:
        """What the running seeder says of itself, or None: what `status` prints of it."""
        # In this process: tests ask again and again while they wait.
        return SeederLock(self.library).report()

    def snapshot(self) -> dict[str, bytes | None]:
        """Every file of the library that matters, to prove that nothing changed."""
        if not self.library.is_dir():
            return {}
        return {
            str(path.relative_to(self.library)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.library.rglob("*"))
            if not path.relative_to(self.library)
            .parts[0]
            .startswith(("library.db", "seeder", "backups"))
            and path.name != ".gate"
        } | {"rows": json.dumps(self.run("list", "--json").json).encode()}

    def stop(self) -> None:
        """End the library's seeder, if one runs."""
        if (self.library / "seeder.lock").exists():
            self.run("seed", "--stop", expect=None)


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


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own in memory."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    subprocess.run(["mount", *options, folder], check=True)
    try:
        yield folder
    finally:
        # A process that has ended may still be in its folder for a moment.
        wait_for("umount", lambda: subprocess.run(["umount", folder], check=False).returncode == 0)


@contextlib.contextmanager
def running(process: subprocess.Popen[Any]) -> Iterator[subprocess.Popen[Any]]:
    """End the process and close its pipes when the block ends, however it ends."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


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


def encoded(source: Path, target: Path, **options: str) -> Path:
    """Encode a WAV with libsndfile."""
    import soundfile

    samples, rate = soundfile.read(source, dtype="int16")
    soundfile.write(target, samples, rate, **options)
    return target


def needs(program: str) -> str:
    """The path of a program that the test command installs; missing is a failure, not a skip."""
    found = shutil.which(program)
    assert found, f"{program} is not installed; run .ci/check, which installs it"
    return found
