"""Signed items, which the DHT stores under a public key (BEP 44)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from memocast.errors import Refused

MAX_VALUE_BYTES = 999
"""The limit for the bencoded value: BEP 44 has nodes refuse 1,000 or more."""

MAX_SALT_BYTES = 64
MAX_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SignedItem:
    """A value signed by its owner; anyone who has it can store it in the DHT again.

    `key` is the Ed25519 public key (RFC 8032), `value` is bencoded, `seq` is the version.
    """

    key: bytes
    salt: bytes
    seq: int
    value: bytes
    signature: bytes

    @property
    def target(self) -> bytes:
        """Its address in the DHT: 20 bytes (BEP 44)."""
        return target(self.key, self.salt)

    def check(self) -> SignedItem:
        """Return the item itself. Raises Refused when it is too large or its signature is wrong."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        fits = len(self.value) <= MAX_VALUE_BYTES and len(self.salt) <= MAX_SALT_BYTES
        if not fits or not 0 <= self.seq <= MAX_SEQ:
            raise Refused("the signed item is too large", hint="ask its owner about it")
        try:
            owner = Ed25519PublicKey.from_public_bytes(self.key)
            owner.verify(self.signature, _signed_part(self.salt, self.seq, self.value))
        except (InvalidSignature, ValueError) as error:
            raise Refused(
                "the item was not signed by its owner", hint="ask its owner about it"
            ) from error
        return self


def target(key: bytes, salt: bytes) -> bytes:
    """Return the SHA-1 of key and salt."""
    return hashlib.sha1(key + salt, usedforsecurity=False).digest()


def new_secret() -> bytes:
    """Generate a private key: the 32-byte seed of RFC 8032."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes_raw()


def to_pem(secret: bytes) -> str:
    """Return a private key in PKCS #8 (RFC 8410), which other programs read."""
    from cryptography.hazmat.primitives import serialization

    return str(
        _private(secret)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def from_pem(text: str) -> bytes:
    """Return the private key in a PEM text. Raises Refused when there is none."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        raise Refused("the private key is damaged", hint="copy the file again") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("the private key is not an Ed25519 key", hint="use an Ed25519 key")
    return key.private_bytes_raw()


def public_key(secret: bytes) -> bytes:
    """Return the public half of a private key."""
    return bytes(_private(secret).public_key().public_bytes_raw())


def sign(secret: bytes, salt: bytes, seq: int, value: bytes) -> SignedItem:
    """Sign version `seq` of the item, with this bencoded value. Raises Refused if too large."""
    signature = _private(secret).sign(_signed_part(salt, seq, value))
    return SignedItem(public_key(secret), salt, seq, value, signature).check()


def _private(secret: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(secret)


def _signed_part(salt: bytes, seq: int, value: bytes) -> bytes:
    """Return what is signed: a bencoded dictionary without its `d` and `e` (BEP 44)."""
    salted = b"4:salt%d:%s" % (len(salt), salt) if salt else b""
    return salted + b"3:seqi%de1:v%s" % (seq, value)
