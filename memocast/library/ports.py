"""Choosing the port that a library listens on."""

from __future__ import annotations

import contextlib

_TRIES = 50


def free_port() -> int:
    """Return a free port from the range that no system uses for outgoing connections.

    Linux uses ports from 32,768 on for them, other systems from 49,152 on.
    """
    import random
    import socket

    port = 0
    for _ in range(_TRIES):
        port = random.randrange(20_000, 32_768)  # noqa: S311 - not a secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            break
    return port
