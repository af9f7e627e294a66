"""What an info dictionary says of a memo, in a sealed block above all."""

from __future__ import annotations

import json

import pytest

from memocast.errors import Refused
from memocast.formats import age
from memocast.formats.memo_info import SEALED_BYTES, unseal_info

KEY = age.new_key()
MOST = 1 << 16


def sealed(text: str) -> bytes:
    return age.seal(text.encode(), [age.recipient_of(KEY)])


@pytest.mark.parametrize("size", [SEALED_BYTES, MOST])
def test_a_sealed_text_up_to_64_kib_is_read(size: int) -> None:
    found = unseal_info(sealed(json.dumps({"duration": 5_000}).ljust(size)), [age.identity(KEY)])
    assert found.duration == 5_000


@pytest.mark.parametrize("text", [json.dumps({"duration": 5_000}).ljust(MOST + 1), "[]", "{"])
def test_a_longer_sealed_text_and_one_that_is_no_object_are_refused(text: str) -> None:
    with pytest.raises(Refused, match="not a memo's"):
        unseal_info(sealed(text), [age.identity(KEY)])
