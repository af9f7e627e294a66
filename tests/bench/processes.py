"""Processes that end with the block they are used in, and waiting for what they do."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

from bench.contest import Failed, Unavailable
from bench.world import MEMOCAST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.world import World
    from helpers.network_namespaces import Host


def wait_for(
    what: str, probe: Callable[[], Any], seconds: float = 30.0, *, every: float = 0.02
) -> Any:
    """The first true value of `probe`. Raises Failed when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise Failed(f"{what}: waited {seconds:g} s in vain")
        select.select([], [], [], every)
    return found


def on(host: Host | None) -> contextlib.AbstractContextManager[None]:
    """Processes started in the block are that machine's, or this one's."""
    return host.entered() if host else contextlib.nullcontext()


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    host: Host | None = None,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start it, and end it and all that it started with the block. Raises Unavailable."""
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        with on(host):
            process = subprocess.Popen(
                command, env=environment, start_new_session=True, **{**silent, **options}
            )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def finished(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for its end, which must be a good one. Raises Failed."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"was not done after {seconds:g} s") from error
    if code:
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        raise Failed(f"ended with {code}: {(said.splitlines() or ['nothing said'])[-1][:200]}")


@contextlib.contextmanager
def seeding(world: World, library: Path, host: Host | None = None, **changes: str) -> Iterator[str]:
    """Run the library's seeder; yield the address that it listens at."""
    with running([MEMOCAST, "seed"], world.environment(library, **changes), host) as seeder:
        try:
            yield wait_for("the seeder", lambda: _listening(library / "seeder.json"))
        finally:
            seeder.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                seeder.wait(15)


def _listening(report: Path) -> str:
    try:
        addresses = json.loads(report.read_text())["reach"]["listening"]
    except (OSError, ValueError, KeyError):
        return ""
    return str(addresses[0]) if addresses else ""
