"""Runs one harness under atheris: worker.py NAME FOLDER SECONDS COMMIT.

FOLDER keeps the corpus, the findings and the figures, which are written every second. A finding
does not end it: it is kept once for each place where it happens, with its shortest input. What
ends it is an input that takes too much time or memory or crashes a library; the input is kept too.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import random
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import atheris

TESTS = Path(__file__).resolve().parents[1]
sys.path[0] = str(TESTS)

from fuzz import figures, registry  # noqa: E402

if TYPE_CHECKING:
    from fuzz.harness import Harness

_WRITE_SECONDS = 1.0


class Worker:
    """One harness, and what comes of its inputs."""

    def __init__(self, harness: Harness, folder: Path, seconds: float, commit: str) -> None:
        self._harness = harness
        self._folder = folder
        self._seconds = seconds
        self._commit = commit
        self._parent = os.getppid()
        self._figures = figures.read(folder)
        self._began = self._written = time.monotonic()
        self._used = time.process_time()

    def take(self, data: bytes) -> None:
        """Run one input."""
        began = time.monotonic()
        try:
            outcome = ": ".join(self._harness.run(data))
        except BaseException as error:
            outcome = self._keep(data, error)
        if self._harness.kept and self._harness.kept in outcome:
            self._keep_shortest("kept", outcome.replace(": ", "-").replace(" ", "-"), data)
        ended = time.monotonic()
        self._figures.inputs += 1
        self._figures.outcomes[outcome] += 1
        if ended - began > self._figures.slowest:
            self._figures.slowest = ended - began
            (self._folder / "slowest").write_bytes(data)
        if ended - self._written >= _WRITE_SECONDS:
            self._write(ended)
            if ended - self._began >= self._seconds or os.getppid() != self._parent:
                self.end()

    def _write(self, moment: float) -> None:
        found = self._figures
        passed, self._written = moment - self._written, moment
        found.seconds += passed
        found.commits[self._commit] += round(passed)
        used, self._used = self._used, time.process_time()
        found.processor += self._used - used
        found.edges = figures.edges_in(self._folder / "log") or found.edges
        figures.write(self._folder, found)

    def end(self) -> NoReturn:
        """End the process: libFuzzer would do it without a word of ours."""
        from fuzz.harness import remove_work_folder

        remove_work_folder()
        shutil.rmtree(Path.cwd().parent, ignore_errors=True)
        os._exit(0)

    def _keep(self, data: bytes, error: BaseException) -> str:
        """Keep the input if it is the first or the shortest for its place; name the place."""
        places = traceback.extract_tb(error.__traceback__)
        ours = [place for place in places if "site-packages" not in place.filename] or places
        place = f"{type(error).__name__} in {Path(ours[-1].filename).name}:{ours[-1].lineno}"
        name = hashlib.sha256(place.encode()).hexdigest()[:8]
        if self._keep_shortest("findings", name, data):
            (self._folder / "findings" / f"{name}.txt").write_text(
                "".join(traceback.format_exception(error)), errors="backslashreplace"
            )
        return f"FINDING {name}: {place}"

    def _keep_shortest(self, folder: str, name: str, data: bytes) -> bool:
        """Keep the input unless one of that name is as short; return whether it was kept."""
        file = self._folder / folder / name
        if file.exists() and file.stat().st_size <= len(data):
            return False
        file.write_bytes(data)
        return True


def main() -> None:
    """Load the harness, instrumented, and go on until the time is over."""
    name, folder, seconds, commit = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    lock = (folder / "lock").open("w")  # open until the process ends, which another waits for
    fcntl.flock(lock, fcntl.LOCK_EX)
    instrumented = registry.ENTRIES[name].instrumented
    # Not a block that ends: much is imported when it is first needed.
    atheris.instrument_imports(include=["memocast", *instrumented]).__enter__()
    for package in instrumented:
        importlib.import_module(package)
    harness = registry.harness(name)
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    for path in (
        work / "seeds",
        work / "empty",
        folder / "corpus",
        folder / "findings",
        folder / "kept",
    ):
        path.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(harness.seeds):
        (work / "seeds" / str(number)).write_bytes(data)
    # libFuzzer takes no file without any.
    (work / "tokens").write_text("".join(f'"{token}"\n' for token in (*harness.tokens, "memocast")))
    os.chdir(work / "empty")
    worker = Worker(harness, folder, float(seconds), commit)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return harness.changed(data, most, random.Random(seed), atheris.Mutate)

    options = [
        f"-dict={work / 'tokens'}",
        f"-artifact_prefix={folder / 'findings'}/",
        f"-max_len={harness.most_bytes}",
        "-len_control=0",
        f"-timeout={harness.seconds}",
        f"-rss_limit_mb={harness.megabytes}",
    ]
    corpora = [str(folder / "corpus"), str(work / "seeds")]
    atheris.Setup([sys.argv[0], *options, *corpora], worker.take, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
