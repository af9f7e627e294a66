"""Fetching a link's memo into the library."""
