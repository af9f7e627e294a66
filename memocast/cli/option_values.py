"""Parsing durations, sizes and peers in option values."""

from __future__ import annotations

import re

from memocast.errors import UsageError
from memocast.formats.addresses import host_and_port

_SECONDS = {"h": 3600, "m": 60, "s": 1}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def seconds(text: str) -> float:
    """Parse `90`, `90s`, `1m30s`, `1h` or `0.5`; return seconds, more than 0."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        total = float(text)
    elif re.fullmatch(r"(?=.)(\d{1,6}h)?(\d{1,6}m)?(\d{1,9}(\.\d{1,9})?s)?", text):
        parts = re.findall(r"([\d.]+)([hms])", text)
        total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    else:
        raise UsageError(f"'{text}' is not a duration", hint="write 90, 90s or 1m30s")
    if total <= 0:
        raise UsageError(f"'{text}' is too short", hint="write 90, 90s or 1m30s")
    return total


def byte_count(text: str) -> int:
    """Parse `500000`, `500kB`, `20MB` or `1GiB`; return bytes."""
    match = re.fullmatch(r"(?i)(\d{1,15})\s*([kmg]i?)?b?", text)
    if not match:
        raise UsageError(f"'{text}' is not a size", hint="write 500000, 20MB or 1GiB")
    return int(match[1]) * _BYTES[(match[2] or "").lower()]


def peer(text: str) -> tuple[str, int]:
    """Parse `HOST:PORT`, looking up a host name; return an IP address and a port."""
    hint = "write HOST:PORT, for instance 192.0.2.7:51413 or [2001:db8::7]:51413"
    try:
        host, port = host_and_port(text)
    except ValueError:
        name, _, digits = text.rpartition(":")
        if not (name and re.fullmatch("[0-9]{1,5}", digits)) or int(digits) > 65_535:
            raise UsageError(f"'{text}' is not a peer", hint=hint) from None
        import socket

        try:
            found = socket.getaddrinfo(name.strip("[]"), int(digits), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UsageError(f"the host of peer '{text}' was not found", hint=hint) from error
        host, port = str(found[0][4][0]), int(digits)
    if port == 0:
        raise UsageError(f"'{text}' is not a peer", hint=hint)
    return host, port
