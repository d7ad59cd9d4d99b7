"""Requests of strangers, to every provider: let in, kept out or read; never an error of ours."""

from __future__ import annotations

import base64
import contextlib
import json
from encodings.aliases import aliases

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingest.channels import providers
from services.ingest.channels.hook import Hook
from services.ingest.channels.provider import (
    Credentials,
    Delivery,
    KeyNeeded,
    Settings,
)
from services.ingest.channels.rejection import Rejected
from services.ingest.prepare import Door, Entry, Prepared, Preparer
from shared.clock import SystemClock
from shared.signatures import Unauthentic
from shared.topics import Names
from tests.contract.providers import golden

PUSHED = sorted(name for name, provider in providers.load().items() if provider.parse is not None)
PREPARER = Preparer("acme", b"a secret of the tests", Names(""), SystemClock())
MANY = "&".join(["a=1"] * 1_100)
URLS = (
    f"https://x.example/h?{MANY}",
    "https://x.example/h?" + "&" * 1_100,
    f"https://x.example/h?hub.mode=subscribe&{MANY}&crc_token=1",
    "https://[/h?hub.mode=subscribe&hub.challenge=1&crc_token=1",
    "http://[::1/h?bodySHA256=1",
    "https://x.example:99999999/h",
    "https://x.example:port/h",
    "https://x.example/h?crc_token=%ff&hub.mode=subscribe&hub.verify_token=%ff&bodySHA256=%ff",
    "https://x.example/h?crc_token=\udcff&hub.mode=subscribe&hub.verify_token=\udcff",
    "https://\udcff.example/h?bodySHA256=\udcff",
    "https://x.example/" + "a" * 70_000,
    "",
    "?",
    "\x00",
)
VALUES = (
    "",
    " ",
    "\udcff",
    "Basic \udcff",
    "Basic gICA",
    "Bearer \udcff",
    "Bearer " + "a.b" * 3_000,
    "Bearer e30.e30.e30",
    "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6WzFdfQ.e30.e30",
    "sha256=\udcff",
    "v0=\udcff",
    "v1,\udcff",
    "t=\udcff,v1=\udcff",
    "t=1,v1=" * 9_000,
    "1" * 70_000,
    "٣",
    "1e999",
    "-1",
    "NaN",
    "9" * 12,
    "[" * 9_000,
    "algorithm=\udcff",
    "multipart/form-data; boundary=" + "a" * 9_000,
    "multipart/form-data; boundary=\udcff",
    "application/json; charset=\udcff",
)
BODIES = (b"", b"\xff", b"null", b"[" * 20_000, b'{"a":' * 20_000, b"&" * 1_100, b"%" * 9_000)


def _asked(name: str, hook: Hook, credentials: Credentials, given: Settings) -> None:
    """Ask whether ``hook`` is let in, in the order in which the door does."""
    provider = providers.load()[name]
    for ask in (provider.challenge, provider.verify):
        if ask is not None:
            with contextlib.suppress(Unauthentic, KeyNeeded):
                ask(hook, credentials, given)


def _headers(cases: golden.Golden) -> list[str]:
    """Return the headers that the provider looks at, as far as its golden file shows."""
    seen = {name.lower() for case in cases.cases for name in case.headers}
    asked = cases.challenge.headers if cases.challenge else {}
    return sorted({*seen, *(name.lower() for name in asked), "authorization", "content-type"})


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "\udcff"])
@pytest.mark.parametrize("name", PUSHED)
def test_no_url_is_an_error(name: str, method: str) -> None:
    cases = golden.load(name)
    valid = cases.hook(cases.cases[0])
    for url in URLS:
        hook = msgspec.structs.replace(valid, url=url, method=method)
        _asked(name, hook, cases.credentials(), cases.settings())
        _asked(name, hook, Credentials(), cases.settings())


@pytest.mark.parametrize("name", PUSHED)
def test_no_header_is_an_error(name: str) -> None:
    cases = golden.load(name)
    valid = cases.hook(cases.cases[0])
    for header in _headers(cases):
        for value in VALUES:
            hook = msgspec.structs.replace(valid, headers=valid.headers | {header: value})
            _asked(name, hook, cases.credentials(), cases.settings())


@pytest.mark.parametrize("name", PUSHED)
def test_no_body_is_an_error(name: str) -> None:
    cases = golden.load(name)
    valid = cases.hook(cases.cases[0])
    for body in BODIES:
        _asked(
            name,
            msgspec.structs.replace(valid, body=body),
            cases.credentials(),
            cases.settings(),
        )


@pytest.mark.parametrize("name", PUSHED)
@settings(
    max_examples=60, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_request_is_let_in_or_kept_out_and_read(name: str, data: st.DataObject) -> None:
    """Values of one place turn up in another; whatever is read of it can be prepared."""
    cases = golden.load(name)
    valid = cases.hook(data.draw(st.sampled_from(cases.cases)))
    places = st.sampled_from(_headers(cases))
    values = st.sampled_from(VALUES) | st.text(max_size=30)
    hook = msgspec.structs.replace(
        valid,
        url=data.draw(st.sampled_from((valid.url, *URLS))),
        headers=valid.headers | data.draw(st.dictionaries(places, values, max_size=3)),
        body=data.draw(st.sampled_from((valid.body, *BODIES))),
    )
    _asked(name, hook, cases.credentials(), cases.settings())
    parse = providers.load()[name].parse
    assert parse is not None
    with contextlib.suppress(Rejected):
        prepared(name, parse(hook, cases.settings()))


def prepared(name: str, delivery: Delivery) -> list[Prepared]:
    """Return what intake makes of ``delivery``; nothing in it fails there."""
    door = Door(source="s", provider=name, settings=Settings(name="s"))
    entries: list[Entry] = [*delivery.items, *delivery.unfit]
    found = [PREPARER.prepare(entry, door) for entry in entries]
    for one in found:
        assert one.record.value
        assert one.rejected is None or one.rejected.reason != "failed", one.rejected
    return found


MAIL = "From: a@b.example\r\nMessage-ID: <q@w.example>\r\nSubject: =?{0}?q?+2AA-?= hi\r\n"
HALVES = (b"+2AA- \\ud800 \xed\xa0\x80 \x00\xd8 \xff",)


def _form(fields: dict[str, bytes]) -> tuple[str, bytes]:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
        for name, value in fields.items()
    )
    return "multipart/form-data; boundary=b", parts + b"--b--\r\n"


@pytest.mark.parametrize("charset", sorted({*aliases, "raw_unicode_escape", "punycode", "idna"}))
def test_mail_in_any_charset_is_prepared(charset: str) -> None:
    (half,) = HALVES
    kind = f"Content-Type: text/plain; charset={charset}\r\n\r\n"
    mail = (MAIL.format(charset) + kind).encode() + half
    parsed = {
        "from": MAIL.format(charset).encode(),
        "headers": (MAIL.format(charset) + kind).encode(),
        "text": half,
        "subject": half,
        "charsets": json.dumps(dict.fromkeys(("text", "subject", "from"), charset)).encode(),
    }
    raw = json.dumps({"From": "a@b.example", "RawEmail": mail.decode("latin-1")})
    forms = {"sendgrid": [parsed, {"email": mail}], "mailgun": [{"body-mime": mail}]}
    for name, several in forms.items():
        for fields in several:
            content_type, body = _form(fields)
            _read(name, {"content-type": content_type}, body)
    _read("postmark", {}, raw.encode())
    message = {
        "notificationType": "Received",
        "content": base64.b64encode(mail).decode(),
        "receipt": {"action": {"type": "SNS", "encoding": "BASE64"}},
    }
    notice = {"Type": "Notification", "MessageId": "1", "TopicArn": "t", "Timestamp": "t"}
    _read("ses", {}, json.dumps(notice | {"Message": json.dumps(message)}).encode())


def _read(name: str, headers: dict[str, str], body: bytes) -> None:
    cases, parse = golden.load(name), providers.load()[name].parse
    assert parse is not None
    hook = Hook(url="https://x.example/h", headers=headers, body=body, now=cases.now_ms())
    (found,) = prepared(name, parse(hook, cases.settings()))
    assert found.event is not None
