"""The keys of channels, as text."""

from __future__ import annotations

import base64

import pytest

from memocast.errors import Refused
from memocast.formats import mutable_item

SECRET = bytes(range(32))
ED25519, X448 = b"\x2b\x65\x70", b"\x2b\x65\x6f"
"""Of RFC 8410; a private key of the latter is longer."""


def as_pem(content: bytes) -> str:
    text = base64.encodebytes(content).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----\n"


def test_a_private_key_is_read_back() -> None:
    assert mutable_item.from_pem(mutable_item.to_pem(SECRET)) == SECRET


@pytest.mark.parametrize("kept", [slice(-20), slice(5, None), slice(0)])
def test_a_private_key_of_which_a_part_is_missing_is_refused(kept: slice) -> None:
    content = base64.decodebytes(mutable_item.to_pem(SECRET).encode().split(b"-----")[2])
    assert mutable_item.from_pem(as_pem(content)) == SECRET
    with pytest.raises(Refused, match="damaged"):
        mutable_item.from_pem(as_pem(content[kept]))


def test_a_private_key_that_is_no_key_of_its_kind_is_refused() -> None:
    content = base64.decodebytes(mutable_item.to_pem(SECRET).encode().split(b"-----")[2])
    with pytest.raises(Refused, match="damaged"):
        mutable_item.from_pem(as_pem(content.replace(ED25519, X448)))
