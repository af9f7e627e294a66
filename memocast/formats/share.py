"""Share: one torrent of a memo, and who can open it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memocast.formats.torrent import Torrent

Mode = Literal["public", "private", "addressed"]
"""Open to everybody; to anyone with the link; to the recipients it is sealed to."""


@dataclass(frozen=True, slots=True)
class Share:
    """A torrent of a memo, and how it is shared.

    `age_identity` is the key in the link of a private share. `recipients`
    are those that our own addressed share is encrypted to. `lan`: announced
    on the local network only. `arrived`: it came by a link. `shared`: by the user's own `share`.
    `stopped`: by `unshare`. `paired`: only for the user's other devices.
    """

    torrent: Torrent
    mode: Mode = "public"
    age_identity: str = field(default="", repr=False)
    recipients: tuple[str, ...] = ()
    lan: bool = False
    arrived: bool = False
    shared: bool = False
    stopped: bool = False
    paired: bool = False

    @property
    def info_hash(self) -> str:
        """The torrent's info-hash."""
        return self.torrent.info_hash

    @property
    def sealed(self) -> bool:
        """Whether the torrent contains an age file instead of the audio."""
        return self.mode != "public"

    def trackers(self, trackers: Iterable[str]) -> list[str]:
        """Return these trackers and those of its link, each once; none for a `lan` share."""
        return [] if self.lan else list(dict.fromkeys([*trackers, *self.torrent.trackers]))

    def link(self, trackers: Iterable[str], peers: Iterable[tuple[str, int]] = ()) -> str:
        """Return the magnet link, with these trackers and those of its link.

        A `lan` share has none.
        """
        return self.torrent.magnet(
            self.trackers(trackers), peers, age_identity=self.age_identity, lan=self.lan
        )

    def to_json(self) -> dict[str, Any]:
        """Return the share as `show --json` prints it: without its key."""
        return {
            "mode": self.mode,
            "info_hash": self.info_hash,
            "recipients": list(self.recipients),
            "lan": self.lan,
            "arrived": self.arrived,
            "shared": self.shared,
        }
