"""Composing: the form of the channel, or the reasons why nothing is sent."""

from __future__ import annotations

import msgspec
import pytest

from services.notifier.customers.lint import Rule, units
from services.notifier.customers.messages import LIMITS, Blocked, Composed
from shared.events import (
    Channel,
    Insight,
    MessageKind,
    Resolution,
)
from tests.unit.notifier.customers.cases import (
    COMPOSER,
    HOUSE,
    LANGUAGES,
    NOW,
    complaint,
    notification,
)


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_is_that_of_the_channel(language: str, channel: Channel) -> None:
    asked = notification(MessageKind.RECEIPT, complaint(language, channel))
    found = COMPOSER.compose(asked, HOUSE, NOW)
    assert isinstance(found, Composed)
    short = channel in LIMITS
    assert ("\n" not in found.text) == short
    assert (found.subject == "") == short
    if short:
        assert units(found.text) <= LIMITS[channel]


def test_what_is_private_may_tell_more() -> None:
    asked = notification(MessageKind.RESOLUTION, complaint("en", Channel.SOCIAL))
    public = COMPOSER.compose(asked, HOUSE, NOW)
    private = COMPOSER.compose(asked, HOUSE, NOW, public=False)
    assert isinstance(public, Composed)
    assert isinstance(private, Composed)
    assert "4711" not in public.text
    assert "4711/A" in private.text


@pytest.mark.parametrize("kind", [MessageKind.RECEIPT, MessageKind.PROGRESS])
def test_without_a_running_clock_a_person_writes(kind: MessageKind) -> None:
    case = msgspec.structs.replace(complaint("de"), clocks=())
    found = COMPOSER.compose(notification(kind, case), HOUSE, NOW)
    assert isinstance(found, Blocked)
    assert {one.rule for one in found.findings} == {Rule.TEMPLATE_HOLE, Rule.PROMISE_WITHOUT_DATE}
    assert "bis {due}" in found.draft
    assert "{due}" in found.detail
    assert found.language == "de"


def test_a_promise_that_ran_out_is_not_made() -> None:
    asked = notification(MessageKind.RECEIPT, complaint("en"))
    assert isinstance(COMPOSER.compose(asked, HOUSE, NOW + 86_400_000), Blocked)


def test_without_an_outcome_there_is_no_resolution() -> None:
    case = msgspec.structs.replace(complaint("en"), outcome=None)
    found = COMPOSER.compose(notification(MessageKind.RESOLUTION, case), HOUSE, NOW)
    assert isinstance(found, Blocked)
    assert {one.rule for one in found.findings} == {Rule.TEMPLATE_HOLE}


def test_staff_who_blame_write_themselves() -> None:
    outcome = Resolution(
        outcome="No refund", reason="You should have read it", next_step="None now"
    )
    case = msgspec.structs.replace(complaint("en"), outcome=outcome)
    found = COMPOSER.compose(notification(MessageKind.RESOLUTION, case), HOUSE, NOW)
    assert isinstance(found, Blocked)
    assert Rule.BLAME in {one.rule for one in found.findings}
    assert "You should have read it" in found.draft


def test_what_does_not_fit_is_not_cut() -> None:
    outcome = Resolution(outcome="x" * 400, reason="r", next_step="n")
    case = msgspec.structs.replace(complaint("en", Channel.PHONE), outcome=outcome)
    found = COMPOSER.compose(notification(MessageKind.RESOLUTION, case), HOUSE, NOW)
    assert isinstance(found, Blocked)
    assert {one.rule for one in found.findings} == {Rule.TOO_LONG}
    assert "x" * 400 in found.draft


def test_nothing_is_written_about_no_case() -> None:
    asked = notification(MessageKind.RECEIPT, None)
    insight = Insight(insight_id="i", tenant="acme", kind="k", at=0, title="t")
    nameless = msgspec.structs.replace(
        notification(MessageKind.RECEIPT, complaint("en")), message=None
    )
    for one in (asked, nameless, msgspec.structs.replace(asked, cause=insight)):
        found = COMPOSER.compose(one, HOUSE, NOW)
        assert isinstance(found, Blocked)
        assert found.draft == ""
        assert found.detail
