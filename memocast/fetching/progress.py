"""The stages of a fetch, as reported to its caller."""

from __future__ import annotations

from dataclasses import dataclass, field

from memocast.bittorrent.download import Progress


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process is fetching the same memo, or is syncing the same channel."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A feed, or the state of paired devices, is looked for and read: `done` of `total` bytes.

    `total` is 0 if unknown.
    """

    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Looking:
    """No peer has sent the metadata yet. `trackers` maps each URL to its last answer.

    `known` is the number of peers whose address is in the link.
    """

    trackers: dict[str, str] = field(default_factory=dict)
    dht: bool = False
    dht_nodes: int = 0
    lsd: bool = False
    peers: int = 0
    known: int = 0

    def tried(self) -> str:
        """Return in words what was asked."""
        tried = [f"tracker {url} ({said})" for url, said in self.trackers.items()]
        if self.dht:
            tried.append(f"the DHT ({self.dht_nodes} nodes)")
        if self.lsd:
            tried.append("the local network")
        if self.known:
            tried.append(f"{self.known} address{'es' * (self.known > 1)} in the link")
        return "; ".join(tried) or "nothing"


@dataclass(frozen=True, slots=True)
class Preview:
    """What will be downloaded. `duration` in milliseconds, if known; `size` in bytes."""

    title: str
    size: int
    duration: int | None
    peaks: bytes


@dataclass(frozen=True, slots=True)
class Decrypting:
    """The audio is being decrypted. `size` in bytes, so far."""

    size: int


@dataclass(frozen=True, slots=True)
class Checking:
    """The whole file is here and matches its hashes; the audio is being decoded."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Loading:
    """The audio comes from a web server: `done` of `total` bytes; `total` is 0 if unknown."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Encrypting:
    """Memos are being encrypted for the user's other devices. `size` in bytes, so far."""

    size: int


Stage = (
    Waiting | Reading | Looking | Preview | Progress | Decrypting | Encrypting | Checking | Loading
)
