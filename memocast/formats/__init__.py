"""What travels: memos, links, torrents, feeds, keys, and what strangers may say in them."""
