"""The folders of a library that hold what is shared."""

from __future__ import annotations

SEALED_FOLDER = "sealed"
"""In a library: the age files, each named by its torrent's info-hash."""

FEEDS_FOLDER = "feeds"
"""In a library: the pages of channels' feeds, each named by its torrent's info-hash."""
