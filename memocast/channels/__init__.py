"""Publishing, following, and pairing one's own devices."""
