"""The settings of processes that talk to nobody but each other, on this machine."""

from __future__ import annotations

PRIVATE = {
    "MEMOCAST_TRACKERS": "",
    "MEMOCAST_DHT": "false",
    "MEMOCAST_DHT_BOOTSTRAP": "",
    "MEMOCAST_LSD": "false",
    "MEMOCAST_PORT_MAPPING": "false",
    "MEMOCAST_STUN_SERVER": "",
    "MEMOCAST_LISTEN": "127.0.0.1:0",
    "MEMOCAST_DISK_FLOOR": "0",
}
