"""What a process gives up before it reads what strangers sent: memory, time, files, and more.

Limits of resources (setrlimit) work everywhere. Landlock, where Linux has it, also takes away
every right to files by their names; files that are open already stay open.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import sys

MEMORY_BYTES = 280 << 20
"""Of private memory, without mapped files. The largest podcast feed that is read, full of emoji,
takes 250 MB."""

_ADDRESS_BYTES = 2 << 30
"""Of address space, on systems that limit nothing else."""

_GROWTH_BYTES = 16 << 20
"""How much a changed file may grow: several times what memocast ever adds."""

_ENDING_SECONDS = 5
"""Of CPU time, after which a process that ignores the signal of its limit is killed."""


def load() -> None:
    """Import Landlock for later; that takes longer than reading the container of a memo.

    Raises ImportError and OSError if it is installed and cannot be imported now: nothing is read
    without it then.
    """
    try:
        importlib.import_module("landlock")
    except ModuleNotFoundError as error:  # it is installed on Linux alone
        if error.name != "landlock":
            raise


def set_limits(seconds: int, writable: int | None) -> None:
    """Limit this process's memory, files, and `seconds` of CPU time.

    `writable` is the descriptor of the one file that it may change, if any.
    """
    written = os.fstat(writable).st_size + _GROWTH_BYTES if writable is not None else 0
    limit(resource.RLIMIT_CPU, seconds, seconds + _ENDING_SECONDS)
    limit(resource.RLIMIT_DATA, MEMORY_BYTES)
    limit(resource.RLIMIT_AS, _ADDRESS_BYTES)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, written)


def close_off() -> None:
    """Give up opening anything: files, sockets, processes. What is open already stays usable.

    Files by name are given up too, as by `give_up_names`.
    """
    give_up_names()
    limit(resource.RLIMIT_NPROC, 0)
    # Whatever gets a descriptor fails from now on, on every system.
    limit(resource.RLIMIT_NOFILE, 0)


def give_up_names() -> None:
    """Give up all use of files by name, where the system can and Landlock was loaded."""
    if "landlock" not in sys.modules:
        return
    import landlock

    # The kernel may be without it; then this package also raises ValueError, for a kernel whose
    # release it cannot parse ('6.12.41+deb13-amd64').
    with contextlib.suppress(Exception):
        landlock.Ruleset(landlock.FSAccess.all()).apply()


def limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit to `soft`, which the process may raise to `hard`, by default not at all."""
    _, most = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))
