"""Audio: recording, playing, and decoding files to samples."""
