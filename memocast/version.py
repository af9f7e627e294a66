"""The version of memocast; the build reads it here."""

__version__ = "0.1.0"
