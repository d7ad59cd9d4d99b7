"""Ways into the phone providers that their golden files do not show: other credentials, other shapes."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping

import pytest

from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import (
    Credentials,
    Provider,
    Settings,
)
from services.ingest.channels.providers import (
    amazon_connect,
    call_record,
    deepgram,
    twilio,
    whisper,
)
from services.ingest.channels.rejection import Refusal, Rejected
from shared.events import CallOutcome, Medium, Operation, Role, Transcript
from shared.signatures import Unauthentic

SECRET = "fake-secret"
CREDENTIALS = Credentials(secrets=(b"fake-older-secret", SECRET.encode()))
PLAIN = Settings(name="phone")
NOW = 1_777_889_700_000


def _hook(body: bytes = b"{}", **headers: str) -> Hook:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hook(url="https://x.example/h", headers=names, body=body, now=NOW)


def _verified(provider: Provider, hook: Hook) -> str:
    assert provider.verify is not None
    return provider.verify(hook, CREDENTIALS, PLAIN).method


def _item(provider: Provider, value: Mapping[str, object], settings: Settings = PLAIN) -> Item:
    assert provider.parse is not None
    (item,) = provider.parse(_hook(json.dumps(value).encode()), settings).items
    return item


@pytest.mark.parametrize(
    "provider", [amazon_connect.PROVIDER, whisper.PROVIDER, call_record.PROVIDER]
)
def test_a_token_in_either_header(provider: Provider) -> None:
    assert _verified(provider, _hook(authorization=f"Bearer {SECRET}")) == "bearer"
    assert _verified(provider, _hook(authorization=f"bearer  {SECRET} ")) == "bearer"
    assert _verified(provider, _hook(x_api_key=SECRET)) == "api_key"
    for refused in (_hook(), _hook(authorization=f"Basic {SECRET}"), _hook(x_api_key="fake")):
        with pytest.raises(Unauthentic):
            _verified(provider, refused)
    with pytest.raises(Unauthentic):
        _verified(provider, _hook(authorization="Bearer wrong", x_api_key=SECRET))


def _signature(time: str, body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), time.encode() + b"." + body, "sha256").hexdigest()


def test_several_signatures_while_the_senders_secret_is_rotated() -> None:
    time, body = str(NOW // 1000), b'{"call_id":1}'
    given = f"t={time}, v1={_signature(time, body, 'other')}, v1={_signature(time, body)}"
    assert _verified(call_record.PROVIDER, _hook(body, x_tocsin_signature=given)) == "hmac_sha256"


def test_a_bad_signature_is_not_saved_by_a_good_token() -> None:
    hook = _hook(x_tocsin_signature="t=1,v1=00", authorization=f"Bearer {SECRET}")
    with pytest.raises(Unauthentic):
        _verified(call_record.PROVIDER, hook)


@pytest.mark.parametrize("time", ["", "abc", str(NOW // 1000 - 301), str(NOW // 1000 + 301)])
def test_a_signature_without_a_recent_time_is_refused(time: str) -> None:
    given = f"t={time},v1={_signature(time, b'{}')}"
    with pytest.raises(Unauthentic):
        _verified(call_record.PROVIDER, _hook(x_tocsin_signature=given))


def test_deepgrams_secret_in_the_extra_metadata() -> None:
    def hook(secret: str) -> Hook:
        return _hook(json.dumps({"metadata": {"extra": {"callback_secret": secret}}}).encode())

    assert _verified(deepgram.PROVIDER, hook(SECRET)) == "callback_secret"
    for refused in (
        hook("wrong"),
        hook(""),
        _hook(b"{}"),
        _hook(b"not JSON"),
        _hook(dg_token=SECRET),
    ):
        with pytest.raises(Unauthentic):
            _verified(deepgram.PROVIDER, refused)
    basic = base64.b64encode(SECRET.encode()).decode()
    assert _verified(deepgram.PROVIDER, _hook(authorization=f"Basic {basic}")) == "basic"


def test_twilios_answer_is_an_empty_document() -> None:
    reply = twilio.PROVIDER.reply
    assert reply is not None
    assert reply.content_type == "text/xml"
    assert b"<Response/>" in reply.body


def _posted(**fields: str) -> Item:
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    hook = _hook(body, content_type="application/x-www-form-urlencoded")
    (item,) = twilio.parse(hook, PLAIN).items
    return item


def test_reports_about_one_leg_in_any_order_are_one_item_and_one_thread() -> None:
    leg = {"CallSid": "CA1", "From": "%2B4915112345678", "Direction": "inbound"}
    reports = [
        _posted(**leg, CallStatus="completed", CallDuration="9"),
        _posted(CallSid="CA1", RecordingSid="RE1", RecordingStatus="completed", RecordingUrl="u"),
        _posted(
            **leg, TranscriptionSid="TR1", TranscriptionStatus="completed", TranscriptionText="x"
        ),
        _posted(**leg, CallStatus="completed", RecordingUrl="u", RecordingDuration="4"),
    ]
    assert {(item.native_id, item.thread_id) for item in reports} == {("CA1", "CA1")}
    assert [item.op for item in reports] == [Operation.CREATE] + [Operation.UPDATE] * 3
    assert [item.medium for item in reports] == [Medium.CALL] + [Medium.VOICEMAIL] * 3


def test_a_status_callback_of_a_recorded_call_is_no_voicemail() -> None:
    item = _posted(
        CallSid="CA1",
        CallStatus="completed",
        CallDuration="60",
        RecordingSid="RE1",
        RecordingUrl="u",
    )
    assert item.call is not None
    assert item.call.outcome is CallOutcome.ANSWERED
    assert item.call.recording_url == "u"


def test_a_childs_leg_belongs_to_the_thread_of_its_parent() -> None:
    item = _posted(CallSid="CA2", ParentCallSid="CA1", CallStatus="busy", Direction="inbound")
    assert (item.native_id, item.thread_id) == ("CA2", "CA1")


@pytest.mark.parametrize("count", ["", "-1", "1e3", "99999999999", "²", "x"])
def test_a_senseless_number_of_pictures_costs_nothing(count: str) -> None:
    item = _posted(MessageSid="SM1", Body="hi", NumMedia=count, MediaUrl0="u")
    assert item.attachments == ()


def test_roles_of_a_voicemail_are_not_guessed_from_voices() -> None:
    item = _item(
        whisper.PROVIDER,
        {
            "call_id": "1",
            "outcome": "voicemail",
            "transcript": {"segments": [{"text": "Hello", "speaker": "SPEAKER_00"}]},
        },
    )
    assert item.turns[0].speaker is Role.CUSTOMER


@pytest.mark.parametrize(
    ("no_speech", "logprob", "kept"),
    [
        (0.61, -1.01, False),
        (0.61, -1.0, True),
        (0.6, -1.5, True),
        (None, -1.5, True),
        (0.9, None, True),
    ],
)
def test_only_silence_with_unlikely_words_is_made_up(
    no_speech: float | None, logprob: float | None, kept: bool
) -> None:
    segment = {"text": "Thank you.", "no_speech_prob": no_speech, "avg_logprob": logprob}
    item = _item(whisper.PROVIDER, {"call_id": "1", "transcript": {"segments": [segment]}})
    assert (item.text == "Thank you.") is kept
    assert item.call is not None
    assert item.call.transcript is (Transcript.COMPLETE if kept else Transcript.FAILED)


def test_one_channel_says_nothing_about_who_speaks() -> None:
    settings = Settings(name="phone", options={"customer_channel": "1"})
    results = {"channels": [{"alternatives": [{"transcript": "It leaks"}]}]}
    assert _item(
        deepgram.PROVIDER, {"metadata": {"request_id": "r"}, "results": results}, settings
    ).text


def test_a_senseless_option_is_an_unfit_item_not_a_crash() -> None:
    settings = Settings(name="phone", options={"customer_channel": "left"})
    record = {"call_id": "1", "transcript": {"turns": [{"text": "x", "channel": 0}]}}
    with pytest.raises(Rejected) as caught:
        _item(call_record.PROVIDER, record, settings)
    assert caught.value.reason is Refusal.BAD_VALUE


@pytest.mark.parametrize("digits", [1, 4_299, 4_301, 20_000])
def test_long_numbers_as_ids(digits: int) -> None:
    body = b'{"call_id": ' + b"9" * digits + b"}"
    try:
        delivery = call_record.parse(_hook(body), PLAIN)
    except Rejected:
        return
    assert len(delivery.items[0].native_id) == digits


def test_envelopes_in_envelopes_end() -> None:
    body = b'{"detail-type":"x","detail":' * 50 + b"{}" + b"}" * 50
    assert amazon_connect.parse(_hook(body), PLAIN).ignored
    body = json.dumps({"ContactId": "c", "DisconnectTimestamp": "2026-05-04T10:00:00Z"}).encode()
    for _ in range(5):
        body = json.dumps({"data": base64.b64encode(body).decode()}).encode()
    with pytest.raises(Rejected):
        amazon_connect.parse(_hook(body), PLAIN)
