"""Data that memocast exchanges: memos, links, torrents, feeds and keys, and their checks."""
