"""Which addresses are public, and connections to those."""
