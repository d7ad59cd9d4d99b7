"""The packaged templates: complete, and neutral whatever the case is about."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from services.classifier.severity.schema import LANGUAGES as CLASSIFIED
from services.notifier.customers import concerns, dates
from services.notifier.customers.lint import Lint
from services.notifier.customers.messages import LIMITS, Composed
from services.notifier.customers.render import House
from services.notifier.customers.texts import HOLE
from shared.events import Channel, Kind, MessageKind, Reason
from tests.unit.notifier.customers.cases import (
    COMPOSER,
    HOUSE,
    LANGUAGES,
    LINT,
    NOW,
    TEXTS,
    complaint,
    notification,
)

YEAR = range(NOW, NOW + 400 * 86_400_000, 86_400_000)
ABOUT: tuple[tuple[tuple[Reason, ...], tuple[str, ...]], ...] = (
    *(((reason,), ()) for reason in Reason),
    *(((), (theme,)) for theme in sorted(concerns.THEMES)),
)


def test_every_language_that_the_classifier_reads_has_templates_and_rules() -> None:
    assert set(LANGUAGES) == set(CLASSIFIED)
    assert set(LINT.languages) == set(CLASSIFIED)
    assert Lint.of(TEXTS).languages == LINT.languages


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_concern_has_a_phrase(language: str) -> None:
    words = TEXTS.languages[language]
    assert set(words.concerns) == concerns.KNOWN
    assert len(set(words.concerns.values())) == len(words.concerns)


CASES: tuple[tuple[Channel, Kind, tuple[Reason, ...], tuple[str, ...]], ...] = (
    *((channel, kind, (), ()) for channel, kind in itertools.product(Channel, Kind)),
    *(
        (channel, Kind.COMPLAINT, reasons, themes)
        for channel in (Channel.EMAIL, Channel.PHONE, Channel.REVIEWS)  # a form each
        for reasons, themes in ABOUT
    ),
)


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_passes_the_lint_on_every_channel(language: str, kind: MessageKind) -> None:
    for channel, what, reasons, themes in CASES:
        case = msgspec.structs.replace(
            complaint(language, channel), kind=what, reasons=reasons, themes=themes
        )
        found = COMPOSER.compose(notification(kind, case), HOUSE, NOW)
        assert isinstance(found, Composed), (channel, what, reasons, themes, found)
        assert found.language == language
        assert not HOLE.search(found.text)


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_longest_words_and_dates_fit(language: str, kind: MessageKind) -> None:
    words = TEXTS.languages[language]
    zone = dates.zone("Asia/Kolkata")
    latest = max(YEAR, key=lambda at: len(dates.moment(at, zone, words.dates)))
    concern = max(words.concerns, key=lambda name: len(words.concerns[name]))
    house = House(name="A name of thirty letters' size", zone="Asia/Kolkata")
    for channel in LIMITS:
        case = complaint(language, channel)
        clocks = tuple(msgspec.structs.replace(one, due_at=latest) for one in case.clocks)
        case = msgspec.structs.replace(case, themes=(concern,), reasons=(), clocks=clocks)
        found = COMPOSER.compose(notification(kind, case), house, NOW)
        assert isinstance(found, Composed), found


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_that_staff_wrote_is_told_in_public(language: str) -> None:
    for kind in MessageKind:
        case = complaint(language, Channel.REVIEWS)
        found = COMPOSER.compose(notification(kind, case), HOUSE, NOW)
        assert isinstance(found, Composed)
        assert "4711" not in found.text
        assert "…?" not in found.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("channel", Channel)
def test_only_what_went_wrong_is_apologised_for(language: str, channel: Channel) -> None:
    apology = TEXTS.languages[language].phrases.apology
    for kind in Kind:
        case = msgspec.structs.replace(complaint(language, channel), kind=kind)
        found = COMPOSER.compose(notification(MessageKind.RECEIPT, case), HOUSE, NOW)
        assert isinstance(found, Composed)
        assert (apology in found.text) == (kind not in {Kind.PRAISE, Kind.SUGGESTION})
