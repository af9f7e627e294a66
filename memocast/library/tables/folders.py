"""Names of the library folders that hold shared files."""

from __future__ import annotations

SEALED_FOLDER = "sealed"
"""Holds the age files, each named by its torrent's info-hash."""

FEEDS_FOLDER = "feeds"
"""Holds the pages of channels' feeds, each named by its torrent's info-hash."""
