"""The peers, and how each is asked for its version."""

from __future__ import annotations

ARIA2 = {"aria2c": ["aria2c", "--version"]}
TRANSMISSION = {"transmission": ["transmission-cli", "--version"]}
MKTORRENT = {"mktorrent": ["mktorrent", "-h"]}
TORF = {"torf": ["torf", "--version"]}
WORMHOLE = {"magic-wormhole": ["wormhole", "--version"]}
WEBTORRENT = {"webtorrent-cli": ["webtorrent", "--version"]}
CURL = {"curl": ["curl", "--version"]}
MEMOCAST = {"memocast": ["memocast", "--version"]}
