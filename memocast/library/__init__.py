"""The local folder that holds the memos, and what processes agree on."""
