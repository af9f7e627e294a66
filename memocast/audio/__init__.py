"""Microphone, speaker, and everything between a file and its samples."""
