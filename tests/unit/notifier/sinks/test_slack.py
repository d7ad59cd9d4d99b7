"""Messages of Slack, checked by the models of its SDK."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import ActionsBlock, Block, ButtonElement, HeaderBlock, SectionBlock

from services.notifier.ports import Result, Verdict
from services.notifier.sinks.outbound import Outbound, target
from services.notifier.sinks.slack import ACKNOWLEDGE, MAX_TEXT, SlackSink, escaped, message
from shared.events import (
    CaseEvent,
    CaseEventKind,
    Insight,
    Notification,
    NotificationKind,
    ReplyDue,
    Severity,
)
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

TEXT = st.characters(codec="utf-8")
PEOPLE = {"anna": {"slack": "U0ANNA"}, "bert": {"email": "bert@example.com"}}


def parsed(notification: Notification, *, buttons: bool = True) -> list[Block]:
    """Return the blocks after the SDK has read and checked them."""
    body: dict[str, Any] = json.loads(
        msgspec.json.encode(message(notification, PEOPLE, buttons=buttons))
    )
    assert 0 < len(body["text"]) < 4_000
    assert len(body["blocks"]) <= 50
    blocks = Block.parse_all(body["blocks"])
    for block, sent in zip(blocks, body["blocks"], strict=True):
        block.validate_json()
        assert block.to_dict().keys() >= sent.keys() - {"emoji"}
    return list(blocks)


def text_of(notification: Notification) -> str:
    return json.dumps(msgspec.to_builtins(message(notification, PEOPLE)), ensure_ascii=False)


@pytest.mark.parametrize("kind", [one for one in NotificationKind if one != "customer"])
@pytest.mark.parametrize("cause", [event(), reply_due(), insight(), event(case=None)])
def test_every_notification_is_a_valid_message(
    kind: NotificationKind, cause: CaseEvent | ReplyDue | Insight
) -> None:
    assert isinstance(parsed(notification(cause, kind))[0], HeaderBlock)


@given(
    excerpt=st.text(TEXT, max_size=5_000),
    targets=st.lists(st.text(TEXT, max_size=300), max_size=30),
    detail=st.text(TEXT, max_size=4_000),
    severity=st.sampled_from(Severity),
    kind=st.sampled_from(CaseEventKind),
)
def test_no_text_makes_it_invalid(
    excerpt: str, targets: list[str], detail: str, severity: Severity, kind: CaseEventKind
) -> None:
    of = case(feedback=(said(excerpt),), severity=severity, assignee=detail)
    cause = event(of, kind, detail=detail)
    parsed(notification(cause, target=", ".join(targets)))


def test_a_page_has_a_button_that_carries_case_and_epoch() -> None:
    block = parsed(notification(epoch=3))[-1]
    assert isinstance(block, ActionsBlock)
    [button] = block.elements
    assert isinstance(button, ButtonElement)
    assert (button.action_id, button.value) == (ACKNOWLEDGE, f"{CASE_ID}:3")


@pytest.mark.parametrize(
    ("kind", "buttons"), [(NotificationKind.INFORM, True), (NotificationKind.PAGE, False)]
)
def test_nothing_else_has(kind: NotificationKind, buttons: bool) -> None:
    assert not any(
        isinstance(block, ActionsBlock)
        for block in parsed(notification(kind=kind), buttons=buttons)
    )


def test_severity_is_told_in_words_and_by_colour() -> None:
    header = parsed(notification())[0]
    assert isinstance(header, HeaderBlock)
    assert header.text is not None
    assert header.text.text == "🟠 High: Somebody has to take this case"


def test_case_state_and_due_time_are_fields() -> None:
    section = parsed(notification())[1]
    assert isinstance(section, SectionBlock)
    fields = {field.text for field in section.fields or ()}
    assert f"*Case*\n`{CASE_ID}`" in fields
    assert "*State*\nopen" in fields
    assert (
        "*First response due*\n<!date^1750003600^{date_short_pretty} {time}|2025-06-15 16:06 UTC>"
        in fields
    )


def test_a_customer_can_mention_and_link_nobody() -> None:
    evil = "<!channel> <@U1> <https://evil.example|click> & <script>"
    text = text_of(notification(event(case(feedback=(said(evil),)))))
    assert "&lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|click&gt; &amp;" in text
    assert "<!channel>" not in text
    assert '"verbatim": true' in text


def test_slack_makes_no_mentions_of_what_only_looks_like_them() -> None:
    cause = event(actor="@channel", detail="@here, see #general and evil.example")
    texts = [
        one
        for block in message(notification(cause, target="anna, @everyone"), PEOPLE).blocks
        for one in _texts(block)
        if one["type"] == "mrkdwn"
    ]
    assert any("@here" in one["text"] for one in texts)
    assert any("@everyone" in one["text"] for one in texts)
    assert all(one["verbatim"] is True for one in texts)


def _texts(block: Any) -> list[dict[str, Any]]:
    """Return the text objects of a block."""
    return [*block.get("fields", ()), *filter(None, [block.get("text")])] + [
        one for one in block.get("elements", ()) if one["type"] != "button"
    ]


def test_targets_with_a_member_id_are_mentioned() -> None:
    assert "<@U0ANNA> bert" in text_of(notification(target="anna, bert"))


def test_a_member_id_that_is_none_is_not_sent() -> None:
    told = message(notification(target="eve"), {"eve": {"slack": "U1> <!channel"}})
    assert "<!channel" not in told.text


@given(st.text(TEXT), st.integers(10, 60))
def test_an_escaped_text_has_its_length_and_no_half_escape(text: str, limit: int) -> None:
    shown = escaped(text, limit)
    assert len(shown) <= limit
    bare = shown.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
    assert not set(bare) & set("&<>")


def test_a_long_excerpt_is_cut() -> None:
    [section] = [
        block
        for block in parsed(notification(event(case(feedback=(said("<" * 9_000),)))))
        if isinstance(block, SectionBlock) and block.text
    ]
    assert section.text is not None
    assert len(section.text.text) <= MAX_TEXT


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        (200, "ok", Verdict.DELIVERED),
        (400, "invalid_payload", Verdict.PERMANENT),
        (403, "action_prohibited", Verdict.PERMANENT),
        (404, "no_service", Verdict.PERMANENT),
        (410, "channel_is_archived", Verdict.GONE),
        (429, "rate_limited", Verdict.RETRYABLE),
        (500, "rollup_error", Verdict.RETRYABLE),
    ],
)
def test_what_slack_answers(status: int, body: str, verdict: Verdict) -> None:
    async def run() -> Result:
        outbound = Outbound()
        try:
            async with receiving(saying(status, body, retry_after="3")) as receiver:
                to = target(receiver.url, allow_private=True, what="url")
                result = await SlackSink("s", outbound, to, {}, 5.0).deliver(notification())
                assert json.loads(receiver.taken[0].body)["blocks"]
                return result
        finally:
            await outbound.close()

    result = asyncio.run(run())
    assert result.verdict is verdict
    assert verdict is Verdict.DELIVERED or body in result.detail
    assert result.retry_after_s == (3.0 if verdict is Verdict.RETRYABLE else None)
