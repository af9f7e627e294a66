"""The local folder that holds the memos, and the state that processes share in it."""
