"""Output to a terminal, and keys from it."""
