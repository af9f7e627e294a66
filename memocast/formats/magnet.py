"""Magnet links (BEP 9) to a memo, a feed page or a channel (BEP 46)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

from memocast.formats.addresses import address, host_and_port
from memocast.formats.trackers import is_tracker

SCHEME = "magnet:?"
MAX_TRACKERS = 30
MAX_PEERS = 100
MAX_AGE_IDENTITY = 200
"""Characters. An age identity has 74."""

_MAX_NAME = 500
_LAN = "lan"
"""The value of `x.scope` in a link that works on one local network only."""


@dataclass(frozen=True, slots=True)
class Magnet:
    """The fields of a magnet link; empty where the link has none.

    `v1` is the SHA-1 info-hash (BEP 9) and `v2` the SHA-256 one (BEP 52), both in hex.
    `public_key` is a channel's Ed25519 key, and `salt` distinguishes its feed from other items
    of that key, in hex as in the link (BEP 46). `name` is `dn`, `trackers` are `tr`, and
    `peers`, IP addresses and ports, are `x.pe`.
    `age_identity` opens the torrent's content or the feed (`x.age`, ours). `lan`: announced on
    the local network only (`x.scope`, ours).
    """

    v1: str = ""
    v2: str = ""
    public_key: bytes = b""
    salt: str = ""
    name: str = ""
    trackers: tuple[str, ...] = ()
    peers: tuple[tuple[str, int], ...] = ()
    age_identity: str = field(default="", repr=False)
    lan: bool = False

    def __str__(self) -> str:
        """The link."""
        parts = []
        if self.v1:
            parts.append(f"xt=urn:btih:{self.v1}")
        if self.v2:
            parts.append(f"xt=urn:btmh:1220{self.v2}")
        if self.public_key:
            parts.append(f"xs=urn:btpk:{self.public_key.hex()}")
        if self.salt:
            parts.append(f"s={self.salt}")
        parts.append(f"dn={quote(self.name, safe='')}")
        parts += [f"tr={quote(tracker, safe='')}" for tracker in self.trackers]
        for host, port in self.peers:
            parts.append(f"x.pe={quote(address(host, port), safe=':[]')}")
        if self.age_identity:
            parts.append(f"x.age={quote(self.age_identity, safe='')}")
        if self.lan:
            parts.append(f"x.scope={_LAN}")
        return SCHEME + "&".join(parts)


def is_magnet(text: str) -> bool:
    """Return whether it begins like a magnet link."""
    return text.strip()[: len(SCHEME)].lower() == SCHEME


def is_channel(text: str) -> bool:
    """Return whether it is a channel's link (BEP 46), well-formed or not."""
    return is_magnet(text) and re.search(r"(?i)[?&]xs=urn(:|%3a)btpk", text) is not None


def parse(text: str) -> Magnet:
    """Parse an untrusted magnet link; malformed fields are left out.

    At most `MAX_TRACKERS` trackers and `MAX_PEERS` peers are kept, each once, in order.
    """
    # A fragment is not part of a magnet; some pages append one.
    query = text.strip()[len(SCHEME) :].partition("#")[0]
    query = query.encode(errors="replace").decode()  # no half characters
    v1 = v2 = name = age_identity = salt = ""
    public_key = b""
    lan = False
    trackers: list[str] = []
    peers: list[tuple[str, int]] = []
    for field_name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        match field_name.lower().partition("."):
            case "xt", _, _:
                found = _topic(value)
                v1, v2 = v1 or found[0], v2 or found[1]
            case "xs", "", "":
                key = re.fullmatch(r"(?i)urn:btpk:([0-9a-f]{64})", value)
                public_key = public_key or (bytes.fromhex(key[1]) if key else b"")
            case "s", "", "":
                salt = salt or value
            case "dn", "", "":
                name = name or value[:_MAX_NAME]
            case "tr", _, _ if is_tracker(value):
                trackers.append(value)
            case "x", _, "age":  # `?` if cut off before its first letter, or no key at all
                key_text = value.strip()
                is_possible = 0 < len(key_text) <= MAX_AGE_IDENTITY
                age_identity = age_identity or (key_text if is_possible else "?")
            case "x", _, "scope":
                lan = lan or value.lower() == _LAN
            case "x", _, "pe":
                peers += _peer(value)
    return Magnet(
        v1,
        v2,
        public_key,
        salt,
        name,
        tuple(dict.fromkeys(trackers))[:MAX_TRACKERS],
        tuple(dict.fromkeys(peers))[:MAX_PEERS],
        age_identity,
        lan,
    )


def info_hash(text: str) -> tuple[str, str]:
    """Return a bare info-hash as version 1 and version 2 in hex; empty if it is not one.

    SHA-1 in hex or base32 (BEP 9), SHA-256 in hex (BEP 52).
    """
    if re.fullmatch(r"(?i)[0-9a-f]{40}", text):
        return text.lower(), ""
    if re.fullmatch(r"(?i)[0-9a-f]{64}", text):
        return "", text.lower()
    if re.fullmatch(r"(?i)[a-z2-7]{32}", text):
        try:
            return base64.b32decode(text.upper()).hex(), ""
        except binascii.Error:
            pass
    return "", ""


def _topic(value: str) -> tuple[str, str]:
    """Parse `urn:btih:` with an info-hash (BEP 9) or `urn:btmh:` with a multihash (BEP 52)."""
    scheme, _, digest = value.rpartition(":")
    if scheme.lower() == "urn:btih":
        return info_hash(digest)
    if scheme.lower() == "urn:btmh" and re.fullmatch(r"(?i)1220[0-9a-f]{64}", digest):
        return "", digest[4:].lower()
    return "", ""


def _peer(value: str) -> list[tuple[str, int]]:
    try:
        peer = host_and_port(value)
    except ValueError:
        return []  # a host name: looking it up would reveal us to a stranger's server
    # A zone (RFC 4007) names an interface of the sender's machine, in any characters.
    return [] if "%" in peer[0] else [peer]
