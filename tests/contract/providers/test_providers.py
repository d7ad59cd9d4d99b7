"""Every provider against its golden file: what is in it, who may send it, what a forger gets.

The forgeries are derived from the valid request, the same for all providers, so that none can forget
one: no signature, another secret, another body, another time, garbage in place of the signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.channels import providers
from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Credentials,
    Provider,
    Settings,
)
from services.ingest.channels.rejection import Rejected
from shared.signatures import Unauthentic
from tests.contract.providers import golden
from tests.contract.providers.golden import Case, Golden
from tests.contract.providers.test_hostile import prepared

PUSHED = sorted(name for name, provider in providers.load().items() if provider.parse is not None)
SIGNED = [name for name in PUSHED if golden.load(name).signature]
DAY_MS = 86_400_000
GARBAGE = (
    "",
    "=",
    "sha256=",
    "v1,",
    "é\udcff",
    "A" * 5_000,
    "v1,v1,,,",
    "t=1,",
    "Bearer ",
    "0" * 64,
)


def _cases(names: list[str]) -> list[tuple[str, str]]:
    return [(name, case.name) for name in names for case in golden.load(name).cases]


def _provider(name: str) -> Provider:
    return providers.load()[name]


def _parsed(provider: Provider, hook: Hook, given: Settings) -> tuple[Item, ...]:
    assert provider.parse is not None
    return provider.parse(hook, given).items


def _case(cases: Golden, name: str) -> Case:
    return next(case for case in cases.cases if case.name == name)


def _signed_case(cases: Golden) -> Case:
    return next(case for case in cases.cases if not case.unsigned)


def _verify(name: str, hook: Hook, credentials: Credentials, given: Settings) -> None:
    verify = _provider(name).verify
    assert verify is not None
    verify(hook, credentials, given)


def test_every_golden_file_belongs_to_a_provider() -> None:
    assert {path.stem for path in golden.HERE.glob("*.json")} == set(PUSHED)


def test_every_provider_is_authenticated_and_described() -> None:
    for name in PUSHED:
        provider = _provider(name)
        assert provider.verify is not None, name
        assert provider.secret, name
        assert golden.load(name).signature, name
        assert provider.capability.redelivery_s > 0, name


@pytest.mark.parametrize(("name", "case_name"), _cases(PUSHED))
def test_golden(name: str, case_name: str) -> None:
    cases, provider = golden.load(name), _provider(name)
    case = _case(cases, case_name)
    hook, given = cases.hook(case), cases.settings()
    assert provider.parse is not None
    if case.rejected is not None:
        with pytest.raises(Rejected) as caught:
            provider.parse(hook, given)
        assert caught.value.reason == case.rejected
        return
    delivery = golden.rendered(provider.parse(hook, given))
    assert delivery["items"] == [msgspec.json.decode(item) for item in case.items]
    assert delivery["ignored"] == case.ignored
    assert delivery["unfit"] == case.unfit


@pytest.mark.parametrize(("name", "case_name"), _cases(PUSHED))
def test_a_duplicate_has_the_same_identity_and_an_edit_another_revision(
    name: str, case_name: str
) -> None:
    cases, provider = golden.load(name), _provider(name)
    case = _case(cases, case_name)
    given = cases.settings()
    if earlier := case.same_as or case.revises:
        first = _parsed(provider, cases.hook(_case(cases, earlier)), given)
        second = _parsed(provider, cases.hook(case), given)
        assert [item.native_id for item in second] == [item.native_id for item in first]
        same = [(a.revision, a.text, a.op) for a in first] == [
            (b.revision, b.text, b.op) for b in second
        ]
        assert same is (case.same_as is not None)


@pytest.mark.parametrize("name", SIGNED)
def test_the_valid_request_is_let_in(name: str) -> None:
    cases = golden.load(name)
    signed = [case for case in cases.cases if not case.unsigned]
    assert signed
    for case in signed:
        _verify(name, cases.hook(case), cases.credentials(), cases.settings())


@pytest.mark.parametrize("name", SIGNED)
def test_the_previous_secret_is_valid_while_it_is_rotated(name: str) -> None:
    cases = golden.load(name)
    if not cases.secrets:
        pytest.skip("it is verified with fetched keys")
    credentials = Credentials(
        secrets=(b"the-new-one", *cases.credentials().secrets), keys=cases.credentials().keys
    )
    _verify(name, cases.hook(_signed_case(cases)), credentials, cases.settings())


def _refusal(name: str, hook: Hook, credentials: Credentials, given: Settings) -> str | None:
    try:
        _verify(name, hook, credentials, given)
    except Unauthentic as refused:
        return refused.detail
    return None


def _forgeries(cases: Golden) -> Iterator[tuple[str, Hook, Credentials]]:
    hook, credentials = cases.hook(_signed_case(cases)), cases.credentials()
    for part in cases.signature:
        yield f"without {part}", _replaced(hook, part, None), credentials
        for garbage in GARBAGE:
            yield f"{part} = {garbage[:9]!r}", _replaced(hook, part, garbage), credentials
        value = _value(hook, part)
        if len(value) > 8:
            yield f"half of {part}", _replaced(hook, part, value[: len(value) // 2]), credentials
    if cases.secrets:
        other = Credentials(secrets=(b"wrong", b""), keys=credentials.keys)
        yield "another secret", hook, other
        yield "no secret", hook, Credentials(keys=credentials.keys)
    if cases.covers_body:
        yield "another body", msgspec.structs.replace(hook, body=hook.body + b" "), credentials
        yield "no body", msgspec.structs.replace(hook, body=b""), credentials
    if cases.dated:
        for shift in (-DAY_MS, DAY_MS):
            late = msgspec.structs.replace(hook, now=hook.now + shift)
            yield f"replayed {shift} ms away", late, credentials


def _value(hook: Hook, part: str) -> str:
    kind, name = part[0], part[1:]
    if kind == "?":
        return hook.query.get(name, "")
    if kind == "=":
        return dict(_fields(hook)).get(name, "")
    if kind == "$":
        return str(json.loads(hook.body).get(name, ""))
    return hook.header(part.lower())


def _replaced(hook: Hook, part: str, value: str | None) -> Hook:
    kind, name = part[0], part[1:]
    if kind == "?":
        url = urlsplit(hook.url)
        query = _urlencoded(parse_qsl(url.query, keep_blank_values=True), name, value)
        return msgspec.structs.replace(hook, url=urlunsplit(url._replace(query=query)))
    if kind == "=":
        body = _urlencoded(_fields(hook), name, value).encode()
        return msgspec.structs.replace(hook, body=body)
    if kind == "$":
        members = json.loads(hook.body)
        members.pop(name, None)
        return msgspec.structs.replace(
            hook, body=json.dumps(members | _member(name, value)).encode()
        )
    headers = {key: text for key, text in hook.headers.items() if key != part.lower()}
    return msgspec.structs.replace(hook, headers=headers | _member(part.lower(), value))


def _member(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


def _fields(hook: Hook) -> list[tuple[str, str]]:
    return parse_qsl(hook.body.decode(), keep_blank_values=True)


def _urlencoded(pairs: list[tuple[str, str]], name: str, value: str | None) -> str:
    kept = [pair for pair in pairs if pair[0] != name]
    return urlencode([*kept, *_member(name, value).items()], errors="surrogateescape")


@pytest.mark.parametrize("name", SIGNED)
def test_forgeries_are_kept_out(name: str) -> None:
    cases = golden.load(name)
    tried = 0
    for what, hook, credentials in _forgeries(cases):
        detail = _refusal(name, hook, credentials, cases.settings())
        assert detail is not None, f"{what} was let in"
        assert not any(secret in detail for secret in cases.secrets)
        tried += 1
    assert tried >= 5


@pytest.mark.parametrize("name", [n for n in PUSHED if golden.load(n).challenge])
def test_challenge(name: str) -> None:
    cases, provider = golden.load(name), _provider(name)
    asked = cases.challenge
    assert asked is not None
    assert provider.challenge is not None
    hook = Hook(
        method=asked.method,
        url=asked.url,
        headers={key.lower(): value for key, value in asked.headers.items()},
        body=asked.body.encode(),
        now=cases.now_ms(),
    )
    reply = provider.challenge(hook, cases.credentials(), cases.settings())
    assert reply is not None
    assert reply.body.decode() == asked.answer
    for case in cases.cases:
        assert provider.challenge(cases.hook(case), cases.credentials(), cases.settings()) is None


@pytest.mark.parametrize("name", PUSHED)
@settings(
    max_examples=60, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_give_items_or_a_refusal(name: str, data: st.DataObject) -> None:
    """Whole garbage, and valid requests with a piece torn out or put in."""
    cases, provider = golden.load(name), _provider(name)
    case = data.draw(st.sampled_from(cases.cases))
    body = case.content()
    at = data.draw(st.integers(0, len(body)))
    junk = data.draw(
        st.binary(max_size=40) | st.sampled_from([b"[" * 20_000, b"null", b"{}", b"[]"])
    )
    cut = data.draw(st.integers(0, 60))
    torn = data.draw(st.sampled_from([junk, body[:at] + junk + body[at + cut :]]))
    hook = msgspec.structs.replace(cases.hook(case), body=torn)
    assert provider.parse is not None
    try:
        delivery = provider.parse(hook, cases.settings())
    except Rejected:
        return
    for item in delivery.items:
        assert item.native_id
    prepared(name, delivery)
