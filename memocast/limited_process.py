"""Runs one of our modules in a separate process with limited time and memory.

Small files can keep a parser busy for hours, or make it take gigabytes. So untrusted data is
parsed and decoded here if the library that does it sets no limits.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
from typing import IO, TYPE_CHECKING, Any

from memocast.errors import MemocastError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

MEMORY_BYTES = 280 << 20
"""Of private memory, without mapped files. The largest podcast feed that is read, full of emoji,
takes 250 MB."""

_ADDRESS_BYTES = 2 << 30
"""Of address space, on systems that limit nothing else."""

_FILES = 64
_GROWTH_BYTES = 16 << 20
"""How much a changed file may grow: several times what memocast ever adds."""

_ANSWER_BYTES = 64 << 20
"""Of all output. The longest answer is a feed's, of 16 MB."""

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""numpy would reserve memory for each core."""

_ENDING_SECONDS = 5.0
_STOPPED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP)
"""Exit codes of a process ended by the system, another program or our timeout."""


class Exceeded(Exception):
    """The process took too much time or memory, or crashed; it would again."""


def run(
    module: str,
    given: bytes,
    seconds: int,
    file: IO[bytes] | None = None,
    tell: Callable[[Any], object] = lambda _: None,
    patience: float | None = None,
) -> Any:
    """Return what `module.answer(given, file)` returns in a separate process, as JSON.

    It gets `seconds` of CPU time. `tell` is called with what it sends by `say`, and `patience` is
    how many seconds it may send nothing, by default ten times its CPU time. The only open file it
    inherits is `file`, which it may change if opened for writing.

    Raises Exceeded, and MemocastError when something else ended or delayed the process.
    """
    import subprocess

    before = _seconds_of_children()
    descriptor = file.fileno() if file else -1
    # -P: do not import from a folder 'memocast' in the current directory.
    command = [sys.executable, "-P", "-m", __name__, module, str(seconds), str(descriptor)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # other users see command lines, and a URL can be a secret
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor] if file else [],
        env={**os.environ, **_ONE_THREAD},
    ) as process:
        patience = patience or 10.0 * seconds
        try:
            for message in _messages(process, given, patience):
                if "answer" in message:
                    return message["answer"]
                tell(message["said"])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_SECONDS)
        finally:
            process.kill()
    used = _seconds_of_children() - before
    if process.returncode not in _STOPPED or used > patience / 2:
        raise Exceeded
    raise MemocastError(
        "a process that reads untrusted data was stopped",
        hint="run the command again; is the machine short of memory, or very busy?",
    )


def _messages(
    process: subprocess.Popen[bytes], given: bytes, patience: float
) -> Iterator[dict[str, Any]]:
    """Send the input, which the process reads first; yield its messages until it ends.

    Raises Exceeded when its output is too long.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(given)
    said = bytearray()
    total = 0
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            return
        block = os.read(process.stdout.fileno(), 1 << 16)
        if not block:
            return
        total += len(block)
        if total > _ANSWER_BYTES:
            raise Exceeded
        said += block
        while b"\n" in block and b"\n" in said:
            line, _, said = said.partition(b"\n")
            yield json.loads(line)
            deadline = time.monotonic() + patience


def _seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def say(value: Any) -> None:
    """Send a value to `tell`, from the limited process."""
    _write({"said": value})


def _write(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Set the limits, import the named module, and write its answer to standard output."""
    # Output printed by a library must not mix with our messages.
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Ctrl-C is handled by the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, seconds, descriptor = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    file = None
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_DATA: MEMORY_BYTES,
        resource.RLIMIT_AS: _ADDRESS_BYTES,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    if descriptor >= 0:
        file = os.fdopen(descriptor, "r+b" if _is_writable(descriptor) else "rb")
        limits[resource.RLIMIT_FSIZE] = os.fstat(descriptor).st_size + _GROWTH_BYTES
    for limit, most in limits.items():
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # The hard time limit sends SIGKILL, as if another program had ended it.
        resource.setrlimit(limit, (most, hard if limit == resource.RLIMIT_CPU else most))
    # Not as __main__: there, this module would be another one.
    answer = importlib.import_module(module).answer(sys.stdin.buffer.read(), file)
    if file:
        file.flush()
    _write({"answer": answer})


def _is_writable(descriptor: int) -> bool:
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


if __name__ == "__main__":
    main()
