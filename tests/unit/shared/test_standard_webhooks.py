"""Standard Webhooks: the published example, the library of the specification, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from shared.signatures import Unauthentic
from shared.standard_webhooks import (
    ID,
    MAX_KEY_BYTES,
    MIN_KEY_BYTES,
    PUBLISHED,
    SIGNATURE,
    TIMESTAMP,
    secret,
    sign,
    signing_key,
    verify,
    verifying_key,
)

NOW = 1_750_000_000
BODY = b'{"type":"x"}'
KEYS = st.binary(min_size=MIN_KEY_BYTES, max_size=MAX_KEY_BYTES)
A, B = b"a" * 24, b"b" * 64


def headers(signature: str, id_: str = "n1", timestamp: str = str(NOW)) -> Callable[[str], str]:
    given = {ID: id_, TIMESTAMP: timestamp, SIGNATURE: signature}
    return lambda name: given.get(name, "")


def test_the_published_example_is_found() -> None:
    key = signing_key(PUBLISHED.secret)
    body = PUBLISHED.body.encode()
    assert sign([key], PUBLISHED.id, PUBLISHED.timestamp, body) == PUBLISHED.signature
    found = headers(PUBLISHED.signature, PUBLISHED.id, str(PUBLISHED.timestamp))
    verify([key], found, body, PUBLISHED.timestamp * 1000)


@given(KEYS, st.text(st.characters(codec="utf-8")), st.integers(0, 2**33))
def test_the_library_signs_the_same(key: bytes, text: str, at: int) -> None:
    theirs = Webhook(secret(key)).sign("n1", datetime.fromtimestamp(at, UTC), text)
    assert sign([signing_key(secret(key))], "n1", at, text.encode()) == theirs


@given(KEYS, KEYS, st.binary())
def test_each_of_two_keys_verifies_and_no_other(one: bytes, two: bytes, body: bytes) -> None:
    signature = sign([one, two], "n1", NOW, body)
    assert len(signature.split(" ")) == 2
    for key in (one, two):
        verify([key], headers(signature), body, NOW * 1000)
    with pytest.raises(Unauthentic, match="does not match"):
        verify([one + b"x"], headers(signature), body, NOW * 1000)


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_five_minutes_are_tolerated(off: int) -> None:
    verify([A], headers(sign([A], "n1", NOW, BODY)), BODY, (NOW + off) * 1000)


@pytest.mark.parametrize(("off", "says"), [(301, "too old"), (-301, "in the future")])
def test_more_are_not(off: int, says: str) -> None:
    with pytest.raises(Unauthentic, match=says):
        verify([A], headers(sign([A], "n1", NOW, BODY)), BODY, (NOW + off) * 1000)


@pytest.mark.parametrize(
    "found",
    [
        headers(sign([A], "n1", NOW, BODY), id_=""),
        headers(sign([A], "n1", NOW, BODY), id_="n2"),
        headers(sign([A], "n1", NOW, BODY), timestamp=""),
        headers(sign([A], "n1", NOW, BODY), timestamp=f"{NOW}.0"),
        headers(sign([A], "n1", NOW, BODY), timestamp=str(NOW + 1)),
        headers(""),
        headers("v1,"),
        headers("v1"),
        headers(sign([A], "n1", NOW, BODY).replace("v1,", "v2,")),
        headers(sign([A], "n1", NOW, BODY).replace("v1,", "v1a,")),
        headers(" ".join([sign([A], "n1", NOW, BODY)] * 21)),
        headers(sign([B], "n1", NOW, BODY)),
        headers(sign([A], "n1", NOW, BODY + b"\n")),
    ],
)
def test_forgeries_are_refused(found: Callable[[str], str]) -> None:
    with pytest.raises(Unauthentic):
        verify([A], found, BODY, NOW * 1000)


@pytest.mark.parametrize("keys", [[], [b""]])
def test_without_a_key_nothing_is_let_in(keys: list[bytes]) -> None:
    with pytest.raises(Unauthentic):
        verify(keys, headers(sign([b""], "n1", NOW, BODY)), BODY, NOW * 1000)


@given(KEYS)
def test_a_secret_gives_its_key_back_with_and_without_padding(key: bytes) -> None:
    assert signing_key(secret(key)) == key
    assert signing_key(secret(key).rstrip("=")) == key
    assert verifying_key(secret(key).rstrip("=").encode()) == key


@pytest.mark.parametrize(
    "written",
    [
        "",
        "whsec_",
        "whsec_!!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        base64.b64encode(b"x" * 32).decode(),
        "whsec_" + "é" * 40,
    ],
)
def test_what_is_no_secret_is_said_without_repeating_it(written: str) -> None:
    with pytest.raises(ValueError, match=r"whsec_|bytes") as raised:
        signing_key(written)
    bare = written.removeprefix("whsec_")
    assert not bare or bare not in str(raised.value)


def test_secrets_of_others_may_be_anything() -> None:
    assert verifying_key(b"plain") == b"plain"
    assert verifying_key(b"whsec_!") == b""
