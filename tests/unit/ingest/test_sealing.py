from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sealing import Sealer, Unsealable


@given(st.binary(max_size=2_000))
def test_what_is_sealed_can_be_opened_and_is_the_same_each_time(original: bytes) -> None:
    sealed = Sealer(b"k" * 16).seal(original)
    assert Sealer(b"k" * 16).open(sealed) == original
    assert Sealer(b"k" * 16).seal(original) == sealed


def test_another_key_or_a_changed_byte_opens_nothing() -> None:
    sealed = Sealer(b"one key").seal(b"call me on 555")
    assert b"555" not in sealed
    broken = bytes([sealed[0] ^ 1]) + sealed[1:]
    for sealer, given_ in ((Sealer(b"other"), sealed), (Sealer(b"one key"), broken)):
        with pytest.raises(Unsealable):
            sealer.open(given_)
    with pytest.raises(Unsealable):
        Sealer(b"one key").open(b"")
