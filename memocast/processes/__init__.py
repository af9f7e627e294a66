"""Starting memocast from memocast, and processes with limits."""
