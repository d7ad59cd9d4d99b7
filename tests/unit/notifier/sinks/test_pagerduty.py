"""PagerDuty's Events API v2."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, target
from services.notifier.sinks.pagerduty import MAX_SUMMARY, PagerDutySink
from services.notifier.sinks.reference import MAX_CHARACTERS, page_key, parse_page_key
from shared.events import Notification, NotificationKind, Severity
from tests.unit.notifier.sinks.world import (
    CASE_ID,
    case,
    event,
    insight,
    notification,
    receiving,
    reply_due,
    said,
    saying,
)

PEOPLE = {"anna": {"pagerduty": "key-of-anna"}, "bert": {"email": "bert@example.com"}}
ACCEPTED = '{"status": "success", "message": "Event processed", "dedup_key": "k"}'


def enqueue(
    notification: Notification, routing_key: str = "key-of-sink", status: int = 202
) -> tuple[Result, list[dict[str, Any]]]:
    async def run() -> tuple[Result, list[dict[str, Any]]]:
        outbound = Outbound()
        try:
            async with receiving(saying(status, ACCEPTED)) as receiver:
                to = target(receiver.url + "/v2/enqueue", allow_private=True, what="url")
                sink = PagerDutySink("pager", outbound, to, routing_key, PEOPLE, 5.0)
                result = await sink.deliver(notification)
                return result, [json.loads(taken.body) for taken in receiver.taken]
        finally:
            await outbound.close()

    return asyncio.run(run())


def test_a_page_triggers() -> None:
    result, [sent] = enqueue(notification(epoch=2))
    assert result == Result(Verdict.DELIVERED, reference=f"{CASE_ID}:2")
    assert (sent["event_action"], sent["dedup_key"]) == ("trigger", f"{CASE_ID}:2")
    assert sent["payload"]["summary"] == "[high] Somebody has to take this case: where is my refund"
    assert sent["payload"]["timestamp"] == "2025-06-15T15:06:40.123+00:00"
    assert sent["payload"]["class"] == "page"
    assert sent["payload"]["custom_details"]["First response due"] == "2025-06-15 16:06 UTC"


@pytest.mark.parametrize(
    ("kind", "action"),
    [(NotificationKind.ACKNOWLEDGE, "acknowledge"), (NotificationKind.RESOLVE, "resolve")],
)
def test_a_page_is_taken_back_by_the_same_key(kind: NotificationKind, action: str) -> None:
    _, [sent] = enqueue(notification(kind=kind, epoch=2))
    assert sent == {
        "routing_key": "key-of-sink",
        "event_action": action,
        "dedup_key": page_key(CASE_ID, 2),
    }


@pytest.mark.parametrize(
    ("severity", "theirs"),
    [
        (Severity.CRITICAL, "critical"),
        (Severity.HIGH, "error"),
        (Severity.MEDIUM, "warning"),
        (Severity.LOW, "info"),
        (Severity.UNDETERMINED, "warning"),
    ],
)
def test_severities(severity: Severity, theirs: str) -> None:
    _, [sent] = enqueue(notification(event(case(severity=severity))))
    assert sent["payload"]["severity"] == theirs


@pytest.mark.parametrize("cause", [event(), reply_due(), insight()])
def test_what_informs_is_an_alert_of_its_own_that_is_not_urgent(cause: Any) -> None:
    told = notification(cause, NotificationKind.INFORM)
    _, [sent] = enqueue(told)
    assert (sent["dedup_key"], sent["payload"]["severity"]) == (told.notification_id, "info")


@pytest.mark.parametrize(
    ("who", "key"), [("anna", "key-of-anna"), ("bert", "key-of-sink"), ("", "key-of-sink")]
)
def test_a_person_can_have_a_key_of_their_own(who: str, key: str) -> None:
    _, [sent] = enqueue(notification(target=who))
    assert sent["routing_key"] == key


def test_without_any_key_nothing_is_sent() -> None:
    result, sent = enqueue(notification(target="bert"), routing_key="")
    assert (result.verdict, sent) == (Verdict.PERMANENT, [])


@pytest.mark.parametrize(
    "told",
    [
        notification(kind=NotificationKind.CUSTOMER),
        notification(kind=NotificationKind.RESOLVE, epoch=None),
        notification(insight(), NotificationKind.PAGE),
    ],
)
def test_what_is_no_page_is_not_sent_as_one(told: Notification) -> None:
    result, sent = enqueue(told)
    assert (result.verdict, sent) == (Verdict.PERMANENT, [])


def test_too_many_requests_can_be_retried() -> None:
    result, _ = enqueue(notification(), status=429)
    assert (result.verdict, result.fault, result.reference) == (Verdict.RETRYABLE, False, "")


def test_long_texts_are_cut() -> None:
    _, [sent] = enqueue(notification(event(case(feedback=(said("no\n" * 9_000),)))))
    assert len(sent["payload"]["summary"]) == MAX_SUMMARY
    assert "\n" not in sent["payload"]["summary"]


def test_a_page_key_finds_its_way_back() -> None:
    assert parse_page_key(page_key(CASE_ID, 12)) == (CASE_ID, 12)


@pytest.mark.parametrize(
    "text", ["", ":", "a:1", f"{CASE_ID}:", f"{CASE_ID}:-1", f"{CASE_ID}:٣", CASE_ID]
)
def test_what_is_no_page_key_is_none(text: str) -> None:
    assert parse_page_key(text) is None


def test_a_key_is_never_longer_than_pagerduty_takes() -> None:
    key = page_key("t" * 300 + ":c0ffee:0123456789ab", 1)
    assert len(key) <= MAX_CHARACTERS
    assert key != page_key("t" * 300 + ":c0ffee:0123456789ab", 2)
