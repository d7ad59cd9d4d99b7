"""Fields that are too long."""

from __future__ import annotations

import msgspec

from services.ingest.channels.item import Scalar
from services.ingest.channels.normalise import limits
from shared.events import Call, CallOutcome, Product


def test_ids_are_kept_or_hashed() -> None:
    assert limits.bounded_id(" a \n b ") == "a b"
    assert limits.bounded_id("x" * limits.MAX_ID) == "x" * limits.MAX_ID
    long = limits.bounded_id("x" * (limits.MAX_ID + 1))
    assert long.startswith(limits.HASHED)
    assert len(long) == len(limits.HASHED) + 32
    assert long == limits.bounded_id("x" * (limits.MAX_ID + 1))
    assert long != limits.bounded_id("x" * (limits.MAX_ID + 2))
    assert limits.bounded_id(long) == long


def test_lines_are_cut() -> None:
    assert limits.bounded_line("a\tb  c", 10) == "a b c"
    assert limits.bounded_line("ab cd", 3) == "ab"


def test_texts_of_a_struct_are_bounded_and_the_rest_stays() -> None:
    call = Call(
        call_id="c" * 600,
        outcome=CallOutcome.MISSED,
        duration_ms=5,
        queue="a\x00\nb",
        recording_url="https://x.example/" + "r" * 1_000,
    )
    bounded = limits.bounded_strings(call)
    assert bounded == msgspec.structs.replace(call, call_id="c" * limits.MAX_ID, queue="a b")
    product = Product(app_id="a", version="1.2")
    assert limits.bounded_strings(product) is product


def test_attributes_that_fit_stay_as_they_are() -> None:
    given: dict[str, Scalar] = {"b": 1, "a": "x", "c": True, "d": 2.5}
    assert limits.bounded_attributes(given) == given
    assert list(limits.bounded_attributes(given)) == list(given)
    assert limits.bounded_attributes({}) == {}


def test_too_many_attributes_lose_the_last_by_name() -> None:
    given: dict[str, Scalar] = {f"k{number:02}": number for number in range(40)}
    given["tocsin.parts"] = 3
    kept = limits.bounded_attributes(given)
    assert len(kept) == limits.MAX_ATTRIBUTES
    assert kept["tocsin.parts"] == 3
    assert kept[limits.DROPPED] == 41 - 31
    assert "k29" in kept
    assert "k30" not in kept
    assert limits.bounded_attributes(dict(reversed(given.items()))) == kept
    assert limits.bounded_attributes(kept) == kept


def test_too_large_attributes_are_dropped_and_smaller_ones_kept() -> None:
    kept = limits.bounded_attributes({"a": "ü" * 3_000, "b": "x" * 1_000, "c": 5})
    assert kept == {"b": "x" * 1_000, "c": 5, limits.DROPPED: 1}
    assert limits.bounded_attributes({"n" * 5_000: 1}) == {limits.DROPPED: 1}
