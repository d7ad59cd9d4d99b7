"""The mail hooks' verification: whatever is sent, the answer is yes, no, or "get the key first"."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.channels import providers
from services.ingest.channels.provider import (
    KeyNeeded,
)
from shared.signatures import Unauthentic
from tests.contract.providers import golden

NAMES = ["mailgun", "postmark", "sendgrid", "ses"]
TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=xYzZY",
    "multipart/form-data; boundary=\udcff",
    "multipart/form-data",
    "text/plain",
    "",
]


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=150, deadline=5_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_request_is_let_in_or_kept_out(name: str, data: st.DataObject) -> None:
    cases, verify = golden.load(name), providers.load()[name].verify
    assert verify is not None
    hook = cases.hook(next(case for case in cases.cases if not case.unsigned))
    at = data.draw(st.integers(0, len(hook.body)))
    junk = data.draw(st.binary(max_size=30) | st.sampled_from([b"[" * 20_000, b"\\ud800", b"%"]))
    body = data.draw(st.sampled_from([hook.body, junk, hook.body[:at] + junk + hook.body[at:]]))
    given_headers = st.dictionaries(
        st.sampled_from([*hook.headers, "content-type", "authorization"]),
        st.sampled_from(TYPES) | st.text(max_size=30),
    )
    request = msgspec.structs.replace(
        hook, body=body, headers=hook.headers | data.draw(given_headers)
    )
    with contextlib.suppress(Unauthentic, KeyNeeded):
        verify(request, cases.credentials(), cases.settings())
