"""Ports that a library may listen on for years."""

from __future__ import annotations

import contextlib

_TRIES = 50


def free_port() -> int:
    """A port that nobody listens on now, from those that no system hands out by itself.

    Linux takes ports for outgoing connections from 32,768 on, others from 49,152 on.
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
