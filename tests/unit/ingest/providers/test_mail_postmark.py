"""Postmark: odd payloads. The shapes are in the golden file."""

from __future__ import annotations

import json
import time

import pytest

from services.ingest.channels.hook import Hook
from services.ingest.channels.item import Item
from services.ingest.channels.provider import Settings
from services.ingest.channels.providers import postmark
from services.ingest.channels.rejection import Refusal, Rejected

SETTINGS = Settings(name="mail")
MAIL = {
    "From": "ana@mail.example.org",
    "MessageID": "73e6d360-0000-4000-8000-000000000001",
    "Date": "Fri, 20 Nov 2026 10:12:00 +0100",
    "TextBody": "It broke.",
}


def hook(payload: object) -> Hook:
    return Hook(
        url="https://example.com/", body=json.dumps(payload).encode(), now=1_790_000_000_000
    )


def item(**fields: object) -> Item:
    (found,) = postmark.parse(hook(MAIL | fields), SETTINGS).items
    return found


def header(name: str, value: str | None) -> list[dict[str, str | None]]:
    return [{"Name": name, "Value": value}]


def test_the_mails_own_id_comes_before_postmarks() -> None:
    own = item(Headers=header("message-id", "<Own@mail.example.org>"))
    assert "own@mail.example.org" in own.native_id.lower()
    assert "73e6d360" in item().native_id
    assert "73e6d360" in item(Headers=header("Message-ID", " ")).native_id


def test_the_zero_id_of_the_test_button_identifies_nothing() -> None:
    zero = "00000000-0000-0000-0000-000000000000"
    first, second = item(MessageID=zero), item(MessageID=zero, TextBody="Another.")
    assert first.native_id != second.native_id
    assert item(MessageID=zero).native_id == first.native_id


def test_a_name_cannot_smuggle_in_an_address() -> None:
    full = {"Email": "ana@mail.example.org", "Name": 'x" <boss@example.com>, "y'}
    assert item(FromFull=full).author == item().author


@pytest.mark.parametrize(
    "fields",
    [
        {"Headers": None, "Attachments": None, "ToFull": None},
        {"Headers": [{}]},
        {"Headers": header("X", None)},
        {"Attachments": [{}]},
        {"Attachments": [{"Name": None, "Content": "%%%", "ContentLength": 3}]},
        {"Attachments": [{"Name": "é" * 900, "Content": "é"}]},
        {"Subject": None, "HtmlBody": None, "StrippedTextReply": None},
        {"FromFull": {}},
        {"Date": "yesterday"},
    ],
)
def test_gaps_do_not_cost_the_mail(fields: dict[str, object]) -> None:
    assert "It broke." in item(**fields).text


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, Refusal.MISSING_FIELD),
        ([], Refusal.NOT_AN_OBJECT),
        ({"From": 5}, Refusal.BAD_VALUE),
        (MAIL | {"Headers": [1]}, Refusal.BAD_VALUE),
    ],
)
def test_what_is_no_mail_is_refused_with_a_reason(payload: object, reason: Refusal) -> None:
    with pytest.raises(Rejected) as caught:
        postmark.parse(hook(payload), SETTINGS)
    assert caught.value.reason is reason


def test_bombs_are_cheap() -> None:
    began = time.perf_counter()
    postmark.parse(hook(MAIL | {"Attachments": [{}] * 200_000}), SETTINGS)
    postmark.parse(hook(MAIL | {"Headers": header("A", "b") * 100_000}), SETTINGS)
    assert time.perf_counter() - began < 8
