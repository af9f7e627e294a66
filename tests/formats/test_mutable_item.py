"""The keys of channels, as text."""

from __future__ import annotations

import base64
import dataclasses

import pytest

from memocast.errors import Refused
from memocast.formats import mutable_item
from memocast.formats.mutable_item import MAX_SEQ, SignedItem

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


def signed(salt: int, value: int, seq: int = 1) -> SignedItem:
    """An item with so long a salt and value, whose signature is right whatever it holds."""
    content = b"%d:" % (value - len("999:")) + b"x" * value
    content, salted = content[:value], b"s" * salt
    part = mutable_item._signed_part(salted, seq, content)
    signature = mutable_item._private(SECRET).sign(part)
    return SignedItem(mutable_item.public_key(SECRET), salted, seq, content, signature)


@pytest.mark.parametrize("item", [signed(64, 999), signed(0, 999), signed(64, 5, MAX_SEQ)])
def test_the_largest_items_that_bep_44_allows_are_taken(item: SignedItem) -> None:
    assert item.check() is item


@pytest.mark.parametrize("item", [signed(4, 1_000), signed(65, 5), signed(4, 5, MAX_SEQ + 1)])
def test_what_is_one_over_a_bound_of_bep_44_is_refused_though_its_owner_signed_it(
    item: SignedItem,
) -> None:
    with pytest.raises(Refused, match="too large"):
        item.check()


@pytest.mark.parametrize("field", ["salt", "seq", "value"])
def test_each_part_of_an_item_is_signed(field: str) -> None:
    other = {"salt": b"other", "seq": 2, "value": b"5:other"}[field]
    with pytest.raises(Refused, match="was not signed by its owner"):
        dataclasses.replace(signed(4, 50), **{field: other}).check()
