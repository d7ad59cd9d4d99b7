"""Rendering: what is said, in which language, and what is left out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.customers.render import MARGIN_MS, House, is_complaint, promised, render
from shared.errors import Misconfigured
from shared.events import (
    Channel,
    Clock,
    ClockKind,
    ClockState,
    Kind,
    MessageKind,
    Offer,
    Reason,
    Severity,
    Solution,
)
from tests.unit.notifier.customers.cases import (
    HOUSE,
    LANGUAGES,
    NOW,
    OUTCOME,
    TEXTS,
    complaint,
    rendered,
)


def test_the_receipt_names_the_concern_apologises_and_says_by_when() -> None:
    found = rendered(MessageKind.RECEIPT, complaint("en-GB"))
    assert found.language == "en"
    assert "about a bill or a charge" in found.body
    assert "We are sorry that this happened to you, and we apologise." in found.body
    assert "by Friday, 9 October 2026, 14:00 (UTC+2)." in found.body
    assert found.body.endswith("Kind regards\nNORDWIND ENERGIE GMBH\nHamburg")
    assert found.short.endswith("– NORDWIND ENERGIE GMBH")


@pytest.mark.parametrize(
    ("reasons", "themes", "words"),
    [
        ((), (), "what you experienced with us"),
        ((Reason.SAFETY,), ("billing",), "a matter of safety"),
        ((Reason.DELAY,), ("delivery",), "your delivery"),
        ((Reason.DELAY,), (), "the time you had to wait"),
        ((Reason.DELAY,), ("my_own_theme",), "the time you had to wait"),
        ((Reason.VULNERABILITY, Reason.FINANCIAL_LOSS), ("billing",), "what you experienced"),
        ((Reason.LEGAL,), ("medical",), "what you experienced with us"),
        ((), ("medical",), "what you experienced with us"),
    ],
)
def test_concerns(reasons: tuple[Reason, ...], themes: tuple[str, ...], words: str) -> None:
    case = msgspec.structs.replace(complaint("en"), reasons=reasons, themes=themes)
    assert f"about {words}" in rendered(MessageKind.RECEIPT, case).body


@pytest.mark.parametrize(
    ("kind", "severity", "wrong"),
    [
        (Kind.COMPLAINT, Severity.LOW, True),
        (Kind.QUESTION, Severity.HIGH, True),
        (Kind.QUESTION, Severity.LOW, False),
        (Kind.OTHER, Severity.UNDETERMINED, False),
        (Kind.PRAISE, Severity.HIGH, False),
    ],
)
def test_what_is_a_complaint(kind: Kind, severity: Severity, wrong: bool) -> None:
    case = msgspec.structs.replace(complaint("en"), kind=kind, severity=severity)
    assert is_complaint(case) is wrong


@pytest.mark.parametrize(
    ("tag", "house", "language"),
    [
        ("de-AT", "en", "de"),
        ("pt_BR", "en", "pt"),
        ("sw", "nl", "nl"),
        (None, "fr", "fr"),
        ("", "xx", "en"),
        ("sw", "", "en"),
    ],
)
def test_a_language_without_templates_is_told_in_the_houses(
    tag: str | None, house: str, language: str
) -> None:
    case = msgspec.structs.replace(complaint("en"), language=tag)
    found = render(MessageKind.SURVEY, case, House(language=house), TEXTS)
    assert found.language == language


def test_the_resolution_says_all_that_is_known_and_no_more() -> None:
    case = complaint("en")
    full = rendered(MessageKind.RESOLUTION, case).body
    for part in "ABCDE":
        assert f"4711/{part}" in full
    assert "What we agreed on: a refund." in full
    offered = Offer(options=(Solution.REFUND, Solution.DISCOUNT))
    assert "What we offered you: a refund, a discount." in (
        rendered(MessageKind.RESOLUTION, msgspec.structs.replace(case, offer=offered)).body
    )
    outcome = msgspec.structs.replace(OUTCOME, root_cause=None, prevention="")
    bare = rendered(
        MessageKind.RESOLUTION, msgspec.structs.replace(case, outcome=outcome, offer=None)
    ).body
    assert "How it came about" not in bare
    assert "again:" not in bare
    assert "offered" not in bare
    assert "\n\n\n" not in bare


def test_without_an_outcome_or_a_date_the_draft_shows_what_is_missing() -> None:
    case = msgspec.structs.replace(complaint("en"), outcome=None)
    assert "Result: {outcome}" in rendered(MessageKind.RESOLUTION, case).body
    assert "by {due}." in render(MessageKind.RECEIPT, case, HOUSE, TEXTS).body


def test_the_nudge_asks_and_says_what_happens_without_an_answer() -> None:
    case = complaint("en")
    body = rendered(MessageKind.NUDGE, case).body
    assert "Our question: …?" in body
    assert "If we do not hear from you by 23 October 2026, we will close" in body
    decides = msgspec.structs.replace(case, timers=(), clarification=None)
    body = rendered(MessageKind.NUDGE, decides).body
    assert "Our question" not in body
    assert "the matter stays open" in body
    other = tuple(msgspec.structs.replace(timer, ref=0) for timer in case.timers)
    waits = msgspec.structs.replace(case, timers=other)
    assert "the matter stays open" in rendered(MessageKind.NUDGE, waits).body


def _clock(kind: ClockKind, due_at: int | None, state: ClockState = ClockState.RUNNING) -> Clock:
    return Clock(kind=kind, instance="1", target_ms=1, started_at=0, due_at=due_at, state=state)


def test_what_is_promised_is_when_a_running_clock_is_due() -> None:
    case = complaint("en")
    later, past, soon = NOW + 9 * MARGIN_MS, NOW + MARGIN_MS - 1, NOW + MARGIN_MS
    clocks = (
        _clock(ClockKind.UPDATE, soon),
        _clock(ClockKind.FIRST_RESPONSE, past),
        _clock(ClockKind.NEXT_RESPONSE, later),
        _clock(ClockKind.FIRST_RESPONSE, soon, ClockState.FULFILLED),
        _clock(ClockKind.FIRST_RESPONSE, None, ClockState.PAUSED),
    )
    case = msgspec.structs.replace(case, clocks=clocks)
    assert promised(MessageKind.RECEIPT, case, NOW) == later
    assert promised(MessageKind.PROGRESS, case, NOW) == soon
    assert promised(MessageKind.SURVEY, case, NOW) is None
    assert promised(MessageKind.RECEIPT, case, later) is None


def test_names_keep_the_order_of_text_from_right_to_left() -> None:
    found = rendered(MessageKind.RESOLUTION, complaint("ar"))
    assert found.body.endswith("\u2068NORDWIND ENERGIE GMBH\u2069\n\u2068Hamburg\u2069")
    assert found.short.endswith("– \u2068NORDWIND ENERGIE GMBH\u2069")
    latin = rendered(MessageKind.RESOLUTION, complaint("en"))
    assert "\u2068" not in latin.body
    case = msgspec.structs.replace(
        complaint("en"), outcome=msgspec.structs.replace(OUTCOME, outcome="تم الحل")
    )
    assert "Result: \u2068تم الحل\u2069\n" in rendered(MessageKind.RESOLUTION, case).body


def test_a_house_without_a_name_leaves_the_name_out() -> None:
    found = render(MessageKind.SURVEY, complaint("en"), House(), TEXTS)
    assert found.body.endswith("Kind regards")
    assert found.short.endswith("Thank you.")


def test_an_unknown_zone_is_told() -> None:
    with pytest.raises(Misconfigured, match="Europe/Atlantis"):
        render(MessageKind.SURVEY, complaint("en"), House(zone="Europe/Atlantis"), TEXTS)


@given(
    language=st.sampled_from(LANGUAGES),
    kind=st.sampled_from(MessageKind),
    word=st.text(min_size=1, max_size=40).filter(lambda text: text.strip() == text != ""),
)
def test_what_staff_wrote_is_never_read_as_a_template(
    language: str, kind: MessageKind, word: str
) -> None:
    case = complaint(language)
    hostile = "{concern} {signature?} {0} %s \\1 $x"
    outcome = msgspec.structs.replace(OUTCOME, outcome=hostile, reason=word)
    found = rendered(kind, msgspec.structs.replace(case, outcome=outcome))
    if kind is MessageKind.RESOLUTION:
        assert hostile in found.body
        for line in word.splitlines():
            assert line in found.body
    assert "\n" not in found.subject + found.short + found.public


def test_a_short_form_ends_what_staff_wrote_with_a_stop() -> None:
    assert "Result: 4711/A. Reason: 4711/B. Next step: 4711/C. – NORD" in (
        rendered(MessageKind.RESOLUTION, complaint("en", Channel.PHONE)).short
    )
    assert "結果：4711/A。理由：4711/B。" in rendered(MessageKind.RESOLUTION, complaint("ja")).short
