"""How long from a link to the memo, when somebody near has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench import fetchers, peers
from bench.contest import Contender, Outcome, Target, compete
from bench.island import island

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.world import World

TITLE = "Fetching 1 MB"
PEERS = peers.ARIA2 | peers.TRANSMISSION | peers.WEBTORRENT | peers.WORMHOLE

_OURS = "memocast fetch --peer"
_BARE = "libtorrent alone"
_SIZE = 1_000_000
_LIMIT = 120.0


def measure(world: World) -> list[Outcome]:
    """A memo of 1 MB from a seeder on loopback, whole processes."""
    audio = world.opus(_SIZE)
    with (
        island() as host,
        host.entered(),
        fetchers.offered(world, host, audio, _LIMIT) as offer,
        fetchers.wormhole(offer) as by_wormhole,
    ):
        attempts: dict[str, Callable[[], float]] = {
            _OURS: offer.by_peer,
            "memocast fetch, by LSD": offer.by_lsd,
            _BARE: offer.bare,
            "aria2c": lambda: offer.by_aria2(offer.link),
            "aria2c, .torrent": lambda: offer.by_aria2(offer.torrent),
            "transmission-cli, .torrent": offer.by_transmission,
            "webtorrent-cli": offer.by_webtorrent,
            "magic-wormhole": by_wormhole,
        }
        contenders = [
            Contender(name, lambda attempt=attempt: 1000 * attempt())
            for name, attempt in attempts.items()
        ]
        samples, absent = compete(contenders, world.rounds(7))
    ours, lsd, bare, *others = attempts
    targets = [Target(ours, bare, 1.5)]
    targets += [Target(name, peer, 1) for name in (ours, lsd) for peer in others]
    title = f"A memo of {audio.stat().st_size / 1e6:.1f} MB"
    notes = [
        *fetchers.NOTES,
        "memocast also looks whether it is whole audio of the length that came with it",
    ]
    return [Outcome(title, "ms", samples, targets, absent, notes)]
