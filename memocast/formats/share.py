"""Share: one way a memo is given to others: a torrent, and who can open what it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from memocast.formats.torrent import Torrent

Mode = Literal["public", "private", "addressed"]
"""Everybody hears it; whoever has the link; those whose recipients it is sealed to."""


@dataclass(frozen=True, slots=True)
class Share:
    """A torrent of a memo, and how it is given away.

    `key` is the age identity in the link, of a private share only. `recipients`
    are those an addressed share of our own is sealed to. `lan`: nobody
    outside the local network is told. `arrived`: it came by a link.
    `shared`: by the user's own `share`. `stopped`: by `unshare`. `paired`: it is for the user's
    other devices, and nobody else.
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
        """The torrent's."""
        return self.torrent.info_hash

    @property
    def sealed(self) -> bool:
        """Whether the torrent holds an age file instead of the audio."""
        return self.mode != "public"

    def trackers(self, trackers: Iterable[str]) -> list[str]:
        """These and those it came by, each once; none where nobody outside is to be told."""
        return [] if self.lan else list(dict.fromkeys([*trackers, *self.torrent.trackers]))

    def link(self, trackers: Iterable[str], peers: Iterable[tuple[str, int]] = ()) -> str:
        """The magnet link, with these trackers and those it came by.

        It has none where nobody outside is to be told.
        """
        return self.torrent.magnet(
            self.trackers(trackers), peers, age_identity=self.age_identity, lan=self.lan
        )

    def to_json(self) -> dict[str, Any]:
        """The share as `show --json` tells of it: without its key."""
        return {
            "mode": self.mode,
            "info_hash": self.info_hash,
            "recipients": list(self.recipients),
            "lan": self.lan,
            "arrived": self.arrived,
            "shared": self.shared,
        }
