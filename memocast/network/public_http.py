"""HTTP connections that a guard dials (see `public_connection`)."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memocast.network.public_connection import Guard


class Connection(http.client.HTTPConnection):
    """A connection dialled by its `guard`, or freely without one."""

    guard: Guard | None = None

    def connect(self) -> None:
        """Connect. Raises Refused and OSError."""
        if self.guard:
            self._create_connection = self.guard.dial
        super().connect()


class SecureConnection(http.client.HTTPSConnection, Connection):
    """The same over TLS, for the name and not the address."""
