"""Standard Webhooks, checked with the library of the specification."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, target
from services.notifier.sinks.webhook import WebhookSink, payload
from shared.codec import encode
from shared.events import CaseEvent, Insight, Notification, NotificationKind, ReplyDue
from shared.standard_webhooks import signing_key
from tests.unit.notifier.sinks.world import (
    SECRETS,
    Taken,
    event,
    insight,
    notification,
    receiving,
    reply_due,
    saying,
)


def deliver(
    notifications: Sequence[Notification], secrets: Sequence[str] = SECRETS, status: int = 200
) -> tuple[list[Result], list[Taken]]:
    async def run() -> tuple[list[Result], list[Taken]]:
        outbound = Outbound()
        try:
            async with receiving(saying(status)) as receiver:
                to = target(receiver.url + "/in?a=1", allow_private=True, what="url")
                keys = [signing_key(secret) for secret in secrets]
                sink = WebhookSink("crm", outbound, to, keys, 5.0)
                return [await sink.deliver(one) for one in notifications], receiver.taken
        finally:
            await outbound.close()

    return asyncio.run(run())


@pytest.mark.parametrize("secret", SECRETS)
def test_either_secret_verifies_with_the_library(secret: str) -> None:
    [result], [taken] = deliver([notification()])
    assert result == Result(Verdict.DELIVERED)
    assert (taken.method, taken.path) == ("POST", "/in?a=1")
    read = Webhook(secret).verify(taken.body, taken.headers)
    assert read["type"] == "notification.page"


def test_another_secret_does_not_and_a_changed_byte_does_not() -> None:
    _, [taken] = deliver([notification()], SECRETS[:1])
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[1]).verify(taken.body, taken.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(taken.body + b" ", taken.headers)


def test_all_attempts_have_one_id_and_each_its_own_time() -> None:
    told = notification()
    _, taken = deliver([told, told], status=500)
    assert {one.headers["webhook-id"] for one in taken} == {told.notification_id}
    assert len({one.body for one in taken}) == 1
    for one in taken:
        assert abs(int(one.headers["webhook-timestamp"]) - time.time()) < 60
        assert one.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (NotificationKind.EVENT, "escalation.triggered"),
        (NotificationKind.PAGE, "notification.page"),
        (NotificationKind.INFORM, "notification.inform"),
        (NotificationKind.ACKNOWLEDGE, "notification.acknowledge"),
        (NotificationKind.RESOLVE, "notification.resolve"),
    ],
)
def test_every_kind_is_a_type(kind: NotificationKind, type_: str) -> None:
    _, [taken] = deliver([notification(kind=kind)])
    assert json.loads(taken.body)["type"] == type_


@pytest.mark.parametrize(
    ("cause", "type_"),
    [
        (event(), "escalation.triggered"),
        (reply_due(), "reply.due"),
        (insight(), "insight.pattern.confirmed"),
    ],
)
def test_the_data_are_the_event_as_it_stands_in_kafka(
    cause: CaseEvent | ReplyDue | Insight, type_: str
) -> None:
    _, [taken] = deliver([notification(cause, NotificationKind.EVENT)])
    read = msgspec.json.decode(taken.body, type=dict[str, msgspec.Raw])
    assert bytes(read["data"]) == encode(cause)
    assert msgspec.json.decode(read["type"]) == type_
    assert read.keys() == {"type", "timestamp", "data"}


def test_the_time_is_that_of_the_event() -> None:
    body = json.loads(msgspec.json.encode(payload(notification())))
    assert body["timestamp"] == "2025-06-15T15:06:40.123000Z"


def test_a_page_names_its_targets_and_its_epoch() -> None:
    _, [taken] = deliver([notification(target="anna, bert", epoch=3)])
    body = json.loads(taken.body)
    assert (body["targets"], body["epoch"]) == (["anna", "bert"], 3)


def test_what_is_for_a_customer_is_not_posted() -> None:
    [result], taken = deliver([notification(kind=NotificationKind.CUSTOMER)])
    assert result.verdict is Verdict.PERMANENT
    assert not taken
