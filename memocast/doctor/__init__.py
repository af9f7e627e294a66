"""Checks of the library, the machine and the network."""
