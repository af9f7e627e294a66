"""libtorrent sessions, the DHT, STUN."""
