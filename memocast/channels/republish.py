"""Lookup of channels in the DHT, and republishing of their newest signed items.

Nodes forget an item after two hours (BEP 44). Every lookup, by the owner or a
follower, puts the newest item on the nodes that lack it, so a channel can be
found while its owner is offline.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memocast.bittorrent import dht
from memocast.errors import MemocastError
from memocast.fetching.downloader import own_addresses

if TYPE_CHECKING:
    from memocast.bittorrent.krpc import Address
    from memocast.formats.channel import Channel
    from memocast.formats.mutable_item import SignedItem
    from memocast.library.library import Library
    from memocast.settings import Settings

_LOOK_SECONDS = 10.0
_LEAST_SECONDS = 2.0
_RESOLVE_SECONDS = 3.0
_REMEMBERED = 40
"""Nodes to start from next time, to spare the bootstrap nodes."""

_ENOUGH = 8


class Republisher:
    """Looks up and republishes channels' items for one library."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings

    def refresh(self, channel: Channel) -> tuple[SignedItem | None, int]:
        """Return the channel's newest signed item, and how many nodes have it now.

        Puts it on those of the closest nodes that have none or an older one. Raises
        MemocastError when the DHT is off.
        """
        if not self._settings.dht:
            raise MemocastError(
                "channels need the DHT, which is off", hint="turn on the setting 'dht'"
            )
        channels = self._library.channels
        own = [
            found for found in own_addresses(self._library, self._settings) if ":" not in found[0]
        ]
        with dht.Dht(own) as client:
            found = self._look(client, channel)
            if found.item:
                channels.keep_signed_item(channel, found.item)
            item = channels.signed_item(channel)
            holders = found.holders
            if item and (found.item is None or found.item.seq < item.seq):
                holders = 0
            if item and holders < len(found.closest):
                holders = max(holders, client.put(item, found, _LOOK_SECONDS))
        self._remember(found.nodes)
        return item, holders

    def _look(self, client: dht.Dht, channel: Channel) -> dht.Found:
        nodes = self._library.channels.nodes()
        key, salt = channel.link.public_key, channel.link.salt
        deadline = time.monotonic() + _LOOK_SECONDS
        if len(nodes) >= _ENOUGH:
            found = client.get(key, salt, nodes, _LOOK_SECONDS)
            if found.closest:
                return found
        bootstrap = dht.resolve(self._settings.dht_bootstrap, _RESOLVE_SECONDS)
        left = max(_LEAST_SECONDS, deadline - time.monotonic())
        return client.get(key, salt, [*nodes, *bootstrap], left)

    def _remember(self, nodes: list[Address]) -> None:
        if nodes:
            channels = self._library.channels
            channels.note_nodes(list(dict.fromkeys([*nodes, *channels.nodes()]))[:_REMEMBERED])
