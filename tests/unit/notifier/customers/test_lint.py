"""The lint: what it must find, where, and what it must leave alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.customers.lint import Facts, Finding, Rule, Weight, blocked, units
from services.notifier.customers.render import Message
from shared.events import MessageKind
from tests.unit.notifier.customers.cases import (
    HOUSE,
    LANGUAGES,
    LINT,
    TEXTS,
    complaint,
    rendered,
    written,
)

BAD = [(tag, rule, text) for tag, rows in written("bad.yaml").items() for rule, text in rows]
GOOD = [(tag, text) for tag, rows in written("good.yaml").items() for _, text in rows]
CASED = tuple(tag for tag in LANGUAGES if tag not in {"ja", "ar"})


def _rules(found: tuple[Finding, ...]) -> set[str]:
    return {one.rule.value for one in found}


def _receipt(language: str) -> Message:
    return rendered(MessageKind.RECEIPT, complaint(language))


def _checked(language: str, text: str, limit: int = 0) -> set[str]:
    """Return what is found in a receipt that was rendered and then changed."""
    message = _receipt(language)
    facts = Facts(
        concern=message.concern,
        due=message.due,
        names=(HOUSE.signature, HOUSE.name),
        limit=limit,
    )
    found = LINT.check(MessageKind.RECEIPT, language, text, facts)
    assert blocked(found) == bool(found)
    return _rules(found)


@pytest.mark.parametrize(("language", "rule", "text"), BAD)
def test_bad_texts_are_caught_and_pointed_at(language: str, rule: str, text: str) -> None:
    found = LINT.check(MessageKind.FOLLOW_UP, language, text)
    assert blocked(found)
    pointed = [one for one in found if one.rule == rule]
    assert pointed
    for one in pointed:
        assert 0 <= one.start < one.end <= len(text)
        assert one.hint


def test_there_are_enough_bad_texts_of_each_language_and_rule() -> None:
    for language in LANGUAGES:
        rules = [rule for tag, rule, _ in BAD if tag == language]
        assert len(rules) >= 8
        assert {"blame", "sarcasm", "conditional_apology", "promise_without_date"} <= set(rules)


@pytest.mark.parametrize(("language", "text"), GOOD)
def test_good_texts_of_people_pass(language: str, text: str) -> None:
    assert LINT.check(MessageKind.RECEIPT, language, text) == ()


@pytest.mark.parametrize(("language", "text"), GOOD)
def test_good_texts_pass_decomposed_and_with_curly_quotes(language: str, text: str) -> None:
    changed = unicodedata.normalize("NFD", text.replace("'", "’"))
    assert LINT.check(MessageKind.RECEIPT, language, changed) == ()


@pytest.mark.parametrize(("language", "rule", "text"), BAD)
def test_one_bad_sentence_spoils_a_good_receipt(language: str, rule: str, text: str) -> None:
    if rule == "promise_without_date":
        return  # the receipt has a date: the next test takes it out
    good = _receipt(language).body
    assert rule in _checked(language, good.replace("\n\n", f"\n\n{text}\n\n", 1))


@pytest.mark.parametrize(
    ("language", "text"), [(tag, text) for tag, rule, text in BAD if rule == "promise_without_date"]
)
def test_a_vague_time_instead_of_the_date(language: str, text: str) -> None:
    message = _receipt(language)
    lines = [text if message.due in line else line for line in message.body.splitlines()]
    assert "promise_without_date" in _checked(language, "\n".join(lines))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["body", "short", "public"])
def test_mutations_of_a_good_receipt(language: str, form: str) -> None:
    message = _receipt(language)
    good: str = getattr(message, form)
    apology = TEXTS.languages[language].phrases.apology
    assert _checked(language, good) == set()
    assert _checked(language, good.replace(apology, "")) == {"no_apology"}
    assert _checked(language, good.replace(message.concern, "")) == {"no_concern"}
    assert "promise_without_date" in _checked(language, good.replace(message.due, ""))
    assert "template_hole" in _checked(language, good.replace(message.due, "{due}"))
    assert "template_hole" in _checked(language, good.replace(message.concern, "{{concern}}"))
    assert _checked(language, good, limit=units(good)) == set()
    assert _checked(language, good, limit=units(good) - 1) == {"too_long"}
    assert _checked(language, good + "!!") == {"shouting"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_the_line_that_says_what_happens_next(language: str) -> None:
    message = _receipt(language)
    lines = [line for line in message.body.splitlines() if message.due not in line]
    found = _checked(language, "\n".join(lines))
    assert {"promise_without_date", "no_next_step"} <= found


@pytest.mark.parametrize("language", CASED)
def test_capitals(language: str) -> None:
    message = _receipt(language)
    apology = TEXTS.languages[language].phrases.apology
    assert "shouting" in _checked(language, message.body.replace(apology, apology.upper()))


@pytest.mark.parametrize(
    "text", ["Your DHL and UPS parcels.", "Reply to SEPA, IBAN: DE 12.", "OK."]
)
def test_acronyms_are_not_shouting(text: str) -> None:
    assert LINT.check(MessageKind.FOLLOW_UP, "en", text) == ()


@pytest.mark.parametrize(
    "text", ["Set {a: 1} aside", "100 % off", "a < b > c", "See [1] and [2].", "None of it is true"]
)
def test_what_looks_like_a_hole_but_is_none(text: str) -> None:
    found = _rules(LINT.check(MessageKind.FOLLOW_UP, "en", text))
    assert found == ({"template_hole"} if "{" in text else set())


def test_a_language_without_patterns_is_read_for_the_rest() -> None:
    message = _receipt("en")
    facts = Facts(concern=message.concern, due=message.due, names=(HOUSE.name,))
    found = LINT.check(MessageKind.RECEIPT, "sw", message.body, facts)
    assert [(one.rule, one.weight) for one in found] == [(Rule.UNKNOWN_LANGUAGE, Weight.WARN)]
    assert not blocked(found)
    gone = message.body.replace(message.due, "").replace(message.concern, "")
    assert {"no_concern", "promise_without_date"} <= _rules(
        LINT.check(MessageKind.RECEIPT, "sw", gone, facts)
    )


def test_places_are_those_of_the_text() -> None:
    text = "Grüße. 😀 We are sorry, but no. \u200fYou\u00ad should have read it."
    found = LINT.check(MessageKind.FOLLOW_UP, "en-US", text)
    assert [(one.rule, text[one.start : one.end]) for one in found] == [
        (Rule.CONDITIONAL_APOLOGY, "sorry, but"),
        (Rule.BLAME, "You\u00ad should have"),
    ]


def test_emoji_count_as_platforms_count_them() -> None:
    assert units("a😀") == 3


@given(text=st.text(max_size=400), language=st.sampled_from(LANGUAGES))
def test_any_text_can_be_checked(text: str, language: str) -> None:
    whole = unicodedata.normalize("NFC", text)
    for one in LINT.check(MessageKind.RECEIPT, language, text):
        assert 0 <= one.start <= one.end <= len(whole)


@given(
    word=st.sampled_from(
        ["sorry ", "as we have ", "désolé ", "wenn ", "sie hätten ", "نعتذر ", "お客様"]
    ),
    language=st.sampled_from(LANGUAGES),
)
def test_repetition_does_not_make_it_slow(word: str, language: str) -> None:
    text = word * (20_000 // len(word))
    LINT.check(MessageKind.RECEIPT, language, text)  # Hypothesis' deadline is the check
