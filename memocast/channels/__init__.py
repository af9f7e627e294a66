"""Publishing, following, and pairing of the user's own devices."""
