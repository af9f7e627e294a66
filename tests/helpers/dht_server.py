"""A DHT in a process of its own: python -m helpers.dht_server COUNT.

Prints where its nodes are, and ends with its standard input.
"""

from __future__ import annotations

import sys

from helpers.dht_network import dht_nodes

if __name__ == "__main__":
    # BEP 44 has nodes forget after two hours; libtorrent's, by default, never do.
    _nodes, addresses = dht_nodes(int(sys.argv[1]), dht_item_lifetime=2 * 3600)
    print(*addresses, flush=True)
    sys.stdin.read()
