"""The stages of a fetch, as its caller is told about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from memocast.download import Progress


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process is fetching the same torrent into this library."""


@dataclass(slots=True)
class Looking:
    """Nobody has sent the metadata yet. `trackers` maps each URL to what it said so far."""

    trackers: dict[str, str] = field(default_factory=dict)
    dht: bool = False
    dht_nodes: int = 0
    lsd: bool = False
    peers: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What will be downloaded. `duration` in milliseconds, if the sender tells; `size` in bytes."""

    title: str
    size: int
    duration: int | None
    peaks: bytes


@dataclass(frozen=True, slots=True)
class Checking:
    """All bytes are here and match their hashes; the audio is being decoded."""

    seconds: float


Stage = Waiting | Looking | Preview | Progress | Checking
