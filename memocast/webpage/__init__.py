"""The listening page, as files to host."""
