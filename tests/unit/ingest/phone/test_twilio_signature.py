"""Our check of Twilio's signatures against the validator in Twilio's own library, both ways."""

from __future__ import annotations

import hashlib
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from services.ingest.channels.hook import Hook
from services.ingest.channels.phone.twilio_signature import (
    HEADER,
    SETTINGS_HEADER,
    check_signature,
    joined,
    spellings,
)
from services.ingest.channels.provider import (
    Credentials,
)
from shared.signatures import Unauthentic

TOKEN = "fake-auth-token"
URL = "https://feedback.example.com/v1/hooks/phone"
FORM = "application/x-www-form-urlencoded"
CREDENTIALS = Credentials(secrets=(TOKEN.encode(),))
THEIRS = RequestValidator(TOKEN)


class MultiDict(dict[str, list[str]]):
    """Fields with repeated names, in the form that Twilio's library reads."""

    def getlist(self, name: str) -> list[str]:
        """Return all values."""
        return self[name]


def _fields(pairs: list[tuple[str, str]]) -> MultiDict:
    fields = MultiDict()
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _hook(pairs: list[tuple[str, str]], *, signed_url: str = URL, url: str = URL) -> Hook:
    signature = THEIRS.compute_signature(signed_url, _fields(pairs))
    return Hook(
        url=url,
        headers={HEADER: signature, "content-type": FORM},
        body=urlencode(pairs).encode(),
        now=0,
    )


def _json_hook(body: bytes, digest: str) -> Hook:
    url = f"{URL}?source=a&bodySHA256={digest}"
    return Hook(
        url=url,
        headers={HEADER: THEIRS.compute_signature(url, {}), "content-type": "application/json"},
        body=body,
        now=0,
    )


def _refused(hook: Hook) -> str:
    with pytest.raises(Unauthentic) as caught:
        check_signature(hook, CREDENTIALS)
    return caught.value.detail


@given(
    st.lists(
        st.tuples(st.text("AbZ_9é+& ", min_size=1, max_size=4), st.text(max_size=6)), max_size=8
    )
)
def test_forms_that_twilio_signs_are_let_in(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value.encode("utf-8", "replace").decode()) for name, value in pairs]
    check_signature(_hook(pairs), CREDENTIALS)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3)), max_size=8))
def test_what_we_sign_twilio_lets_in(pairs: list[tuple[str, str]]) -> None:
    pairs = [(name, value.encode("utf-8", "replace").decode()) for name, value in pairs]
    ours = THEIRS.compute_signature(URL + joined(pairs), {})
    assert THEIRS.validate(URL, _fields(pairs), ours)


def test_repeated_names_count_each_value_once_and_sorted() -> None:
    pairs = [("b", "2"), ("a", "x"), ("b", "1"), ("b", "2"), ("empty", "")]
    assert joined(pairs) == "axb1b2empty"
    check_signature(_hook(pairs), CREDENTIALS)


@pytest.mark.parametrize(
    ("signed", "seen"),
    [
        (URL, URL.replace(".com/", ".com:443/")),
        (URL.replace(".com/", ".com:443/"), URL),
        ("http://h.example/x", "http://h.example:80/x"),
        ("http://h.example:80/x", "http://h.example/x"),
        ("https://h.example/x", "https://h.example:8443/x"),
        ("https://h.example:8443/x?a=b", "https://h.example:8443/x?a=b"),
    ],
)
def test_ports_do_not_matter_as_they_do_not_to_twilio(signed: str, seen: str) -> None:
    pairs = [("Body", "hi")]
    hook = _hook(pairs, signed_url=signed, url=seen)
    check_signature(hook, CREDENTIALS)
    assert THEIRS.validate(seen, dict(pairs), hook.header(HEADER))


@pytest.mark.parametrize(
    ("url", "others"),
    [
        ("https://[::1]/x", ["https://[::1]:443/x"]),
        ("https://[::1]:8443/x", ["https://[::1]/x"]),
        ("https://u:p@h.example/x", ["https://u:p@h.example:443/x"]),
        ("https://h.example:port/x", []),
        ("https://h.example:99999/x", []),
        ("https://[broken/x", []),
    ],
)
def test_odd_hosts(url: str, others: list[str]) -> None:
    assert spellings(url) == [url, *others]


def test_json_bodies_are_covered_by_their_digest() -> None:
    body = '{"event_type":"voice","text":"déjà"}'.encode()
    hook = _json_hook(body, hashlib.sha256(body).hexdigest())
    check_signature(hook, CREDENTIALS)
    assert THEIRS.validate(hook.url, body.decode(), hook.header(HEADER))
    changed = msgspec.structs.replace(hook, body=body + b" ")
    assert "bodySHA256" in _refused(changed)
    assert not THEIRS.validate(hook.url, changed.body.decode(), hook.header(HEADER))


def test_a_body_that_nothing_covers_is_refused() -> None:
    signature = THEIRS.compute_signature(URL, {})
    plain = Hook(
        url=URL, headers={HEADER: signature, "content-type": "text/plain"}, body=b"x", now=0
    )
    assert "bodySHA256" in _refused(plain)
    check_signature(msgspec.structs.replace(plain, method="GET", body=b""), CREDENTIALS)


def test_shared_keys_sign_with_sha256() -> None:
    pairs = {"Body": "hi"}
    headers = {
        HEADER: THEIRS.compute_signature(URL, pairs, "HMAC_SHA256"),
        SETTINGS_HEADER: "key=webhooks_sharedkey_1, algorithm=HMAC_SHA256",
        "content-type": FORM,
    }
    hook = Hook(url=URL, headers=headers, body=urlencode(pairs).encode(), now=0)
    assert check_signature(hook, CREDENTIALS).method == "twilio_hmac_sha256"
    headers = {**headers, SETTINGS_HEADER: "algorithm=NONE"}
    assert "algorithm" in _refused(msgspec.structs.replace(hook, headers=headers))


def test_another_address_of_ours_behind_a_proxy_is_refused() -> None:
    assert "match" in _refused(_hook([("Body", "hi")], url="http://10.0.0.7:8080/v1/hooks/phone"))


def test_a_flood_of_fields_is_refused() -> None:
    hook = _hook([("a", "b")])
    assert "fields" in _refused(msgspec.structs.replace(hook, body=b"a=b&" * 5_000))
