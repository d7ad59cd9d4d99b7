"""Dates and times in the words of each language."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.notifier.customers import dates
from shared.errors import Misconfigured
from tests.unit.notifier.customers.cases import LANGUAGES, TEXTS


def _at(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Thursday, 1 October 2026, 14:05 (UTC+2)"),
        ("de", "Donnerstag, 1. Oktober 2026, 14:05 Uhr (UTC+2)"),
        ("fr", "jeudi 1er octobre 2026 à 14:05 (UTC+2)"),
        ("es", "jueves, 1 de octubre de 2026, 14:05 h (UTC+2)"),
        ("it", "giovedì 1° ottobre 2026, ore 14:05 (UTC+2)"),
        ("nl", "donderdag 1 oktober 2026 om 14:05 uur (UTC+2)"),
        ("pt", "quinta-feira, 1 de outubro de 2026, 14:05 (UTC+2)"),
        ("pl", "czwartku, 1 października 2026 r., godz. 14:05 (UTC+2)"),
        ("tr", "1 Ekim 2026 Perşembe günü saat 14:05 (UTC+2)"),
        ("ja", "2026年10月1日（木）14:05（UTC+2）"),
        ("ar", "الخميس 1 أكتوبر 2026، الساعة 14:05 (UTC+2)"),
    ],
)
def test_a_moment(language: str, words: str) -> None:
    zone = dates.zone("Europe/Berlin")
    assert dates.moment(_at(2026, 10, 1, 12, 5), zone, TEXTS.languages[language].dates) == words


@pytest.mark.parametrize(
    ("zone", "at", "words"),
    [
        ("Europe/Berlin", (2026, 3, 29, 0, 59), "Sunday, 29 March 2026, 01:59 (UTC+1)"),
        ("Europe/Berlin", (2026, 3, 29, 1, 0), "Sunday, 29 March 2026, 03:00 (UTC+2)"),
        ("America/New_York", (2027, 1, 1, 3, 30), "Thursday, 31 December 2026, 22:30 (UTC-5)"),
        ("America/St_Johns", (2026, 7, 1, 12, 0), "Wednesday, 1 July 2026, 09:30 (UTC-2:30)"),
        ("Asia/Kathmandu", (2026, 7, 1, 12, 0), "Wednesday, 1 July 2026, 17:45 (UTC+5:45)"),
        ("UTC", (2026, 7, 1, 12, 0), "Wednesday, 1 July 2026, 12:00 (UTC)"),
    ],
)
def test_summer_time_and_odd_zones(zone: str, at: tuple[int, ...], words: str) -> None:
    assert dates.moment(_at(*at), dates.zone(zone), TEXTS.languages["en"].dates) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_days_of_a_year_read_alike(language: str) -> None:
    words, zone = TEXTS.languages[language].dates, dates.zone("UTC")
    days = range(_at(2026, 1, 1), _at(2027, 1, 1), 86_400_000)
    assert len({dates.date(day, zone, words) for day in days}) == 365


@pytest.mark.parametrize("name", ["", "Nowhere", "../etc/passwd", "/etc/passwd"])
def test_zones_that_are_none(name: str) -> None:
    with pytest.raises(Misconfigured, match="IANA"):
        dates.zone(name)
