"""The vectors are frozen: another value would give every feedback and case in Kafka a second id."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import ids

SECRET = b"a secret of the tests"


@pytest.mark.parametrize(
    ("made", "frozen"),
    [
        (ids.digest("acme", "feedback"), "34e7eaa365731fa53d7657ffd4eb74e0"),
        (ids.digest("", "", ""), "5cf0479a381380026a05c1e7bc18bfbb"),
        (ids.digest("acme", "x", "Grüße 🚨"), "db55fa0d572c7897e65df54667233676"),
        (ids.digest("acme", "x", "\ud800"), "3d7b1f72c44223129045554f6c7390d5"),
        (ids.feedback_id("acme", "inbox", "m1", "1"), "cea6b000be89f95928450d3a113e7ca2"),
        (ids.customer_key(SECRET, "email:ada@example.com"), "5996bea80f420b01c1e1c97439984d9b"),
        (ids.case_id("acme", "c0ffee", "f1"), "acme:c0ffee:6e979b09c409"),
        (
            ids.case_event_id("acme", "acme:c0ffee:0123456789ab", 7),
            "2d0668d884e8e9e1bcfd9ba00d9a0621",
        ),
        (
            ids.timer_id("acme", "acme:c0ffee:0123456789ab", "step", 3),
            "72ae650fbca2f50952925860d46cdc04",
        ),
    ],
)
def test_ids_never_change(made: str, frozen: str) -> None:
    assert made == frozen


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("acme", "k", "ab", "c"), ("acme", "k", "a", "bc")),
        (("acme", "k", "a"), ("acme", "k", "a", "")),
        (("ac", "mek", "a"), ("acme", "k", "a")),
        (("acme", "k", "\x00\x00\x00\x01a"), ("acme", "k", "", "a")),
        (("acme", "k", "a"), ("acme", "K", "a")),
    ],
)
def test_parts_are_kept_apart(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert ids.digest(*one) != ids.digest(*other)


def test_every_part_of_a_feedback_id_counts() -> None:
    whole = ["acme", "inbox", "m1", "1"]
    changed = [[*whole[:at], whole[at] + "x", *whole[at + 1 :]] for at in range(4)]
    made = {ids.feedback_id(*parts) for parts in [whole, *changed]}
    assert len(made) == 5
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in made)


def test_a_pseudonym_needs_the_key() -> None:
    identity = "email:ada@example.com"
    assert ids.customer_key(SECRET, identity) == ids.customer_key(SECRET, identity)
    assert ids.customer_key(SECRET, identity) != ids.customer_key(b"another", identity)
    assert ids.customer_key(SECRET, identity) != ids.customer_key(SECRET, identity + " ")


def test_a_correction_is_the_same_when_it_is_said_again() -> None:
    said = ids.correction_id("acme", "f1", "ada", "high", "1750000000000")
    assert said == ids.correction_id("acme", "f1", "ada", "high", "1750000000000")
    others = {
        ids.correction_id("acme", "f1", "ada", "low", "1750000000000"),
        ids.correction_id("acme", "f1", "ada", "high", "1750000000001"),
        ids.correction_id("acme", "f1", "bo", "high", "1750000000000"),
        ids.correction_id("acme", "f2", "ada", "high", "1750000000000"),
        ids.correction_id("lumen", "f1", "ada", "high", "1750000000000"),
        ids.correction_id("acme", "f1", "command-7"),
    }
    assert len(others | {said}) == 7
    assert ids.correction_id("acme", "f1", "command-7") in others


def test_a_case_id_carries_the_record_key() -> None:
    case = ids.case_id("acme", "c0ffee", "f1")
    assert ids.record_key_of_case(case) == ids.record_key("acme", "c0ffee") == "acme:c0ffee"
    assert case != ids.case_id("acme", "c0ffee", "f2")


@pytest.mark.parametrize(
    "case",
    ["", "acme", "acme:c0ffee", "c0ffee:0123456789ab", "acme:c0ffee:short", "acme:c0ffee:", ":::"],
)
def test_what_is_no_case_id_is_refused(case: str) -> None:
    with pytest.raises(ValueError, match="is not a case id"):
        ids.record_key_of_case(case)


def test_every_arming_of_a_timer_has_its_own_id() -> None:
    case = ids.case_id("acme", "c0ffee", "f1")
    armed = {
        ids.timer_id("acme", case, kind, version)
        for kind in ("step", "close")
        for version in (1, 2, 12)
    }
    assert len(armed) == 6
    assert ids.timer_id("acme", case, "step", 1) in armed


@pytest.mark.parametrize(
    ("data", "hashed"),  # vectors of Kafka's own UtilsTest.testMurmur2, made unsigned
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_that_of_the_java_client(data: bytes, hashed: int) -> None:
    assert ids.murmur2(data) == hashed % 2**32


@pytest.mark.parametrize("partitions", [1, 2, 3, 8, 50])
def test_a_partition_is_always_there(partitions: int) -> None:
    found = {ids.partition_of(f"acme:{number}", partitions) for number in range(500)}
    assert found == set(range(partitions))


@given(st.binary(max_size=300), st.text())
def test_a_pseudonym_is_an_hmac(secret: bytes, identity: str) -> None:
    identified = identity.encode("utf-8", "surrogatepass")
    expected = hmac.digest(secret, identified, "blake2b").hex()[:32]
    assert ids.customer_key(secret, identity) == expected
