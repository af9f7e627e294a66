"""The benchmark: how long a person waits for memocast, and for its peers."""
