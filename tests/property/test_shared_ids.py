from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from shared import ids

PARTS = st.lists(st.text(max_size=8), min_size=2, max_size=5)
NAMES = st.text(st.characters(exclude_characters=":"), min_size=1, max_size=12)


@given(PARTS, PARTS)
def test_different_parts_give_different_ids(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert ids.digest(*one) != ids.digest(*other)


@given(PARTS)
def test_an_id_is_32_hex_digits_and_always_the_same(parts: list[str]) -> None:
    made = ids.digest(*parts)
    assert len(made) == 32
    assert set(made) <= set("0123456789abcdef")
    assert made == ids.digest(*parts)


@given(tenant=st.text(max_size=12), customer=NAMES, feedback=st.text(max_size=12))
def test_a_case_id_gives_its_record_key_back(tenant: str, customer: str, feedback: str) -> None:
    case = ids.case_id(tenant, customer, feedback)
    assert ids.record_key_of_case(case) == ids.record_key(tenant, customer)


@given(st.text(max_size=40))
def test_any_text_is_a_case_id_or_a_value_error(text: str) -> None:
    try:
        key = ids.record_key_of_case(text)
    except ValueError:
        return
    assert text.startswith(key + ":")
    assert ":" in key


@given(st.binary(max_size=64))
def test_murmur2_is_that_of_kafka_python(data: bytes) -> None:
    assert ids.murmur2(data) == murmur2(data) % 2**32


@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), max_size=64),
    partitions=st.integers(min_value=1, max_value=1_000),
)
def test_a_key_goes_where_kafka_s_default_partitioner_sends_it(key: str, partitions: int) -> None:
    expected = (murmur2(key.encode()) & 0x7FFFFFFF) % partitions
    assert ids.partition_of(key, partitions) == expected


@given(case=st.text(max_size=20), kind=NAMES, version=st.integers(0, 10**6))
def test_each_arming_has_its_own_id(case: str, kind: str, version: int) -> None:
    made = ids.timer_id("acme", case, kind, version)
    assert made != ids.timer_id("acme", case, kind, version + 1)
    assert made != ids.timer_id("acme", case, kind + "x", version)
    assert made != ids.timer_id("other", case, kind, version)
