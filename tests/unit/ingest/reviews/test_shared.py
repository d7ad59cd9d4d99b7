"""What reviews have in common: stars, names, translations, territories."""

from __future__ import annotations

import pytest

from services.ingest.channels.rejection import Rejected
from services.ingest.channels.reviews.names import public_name
from services.ingest.channels.reviews.page import identified, revision_of, whole
from services.ingest.channels.reviews.stars import stars
from services.ingest.channels.reviews.territories import country
from services.ingest.channels.reviews.translated import original
from shared.events import Rating


@pytest.mark.parametrize(
    ("given", "value", "low", "high"),
    [
        (4, 4, 1, 5),
        (4.5, 4.5, 1, 5),
        ("3", 3, 1, 5),
        ("3,5", 3.5, 1, 5),
        (" 4.0 ", 4, 1, 5),
        ("FIVE", 5, 1, 5),
        ("One", 1, 1, 5),
        ("4/5", 4, 1, 5),
        ("4 / 5", 4, 1, 5),
        ("4 out of 5", 4, 1, 5),
        ("4,5 von 5 Sternen", 4.5, 1, 5),
        ("2 stars", 2, 1, 5),
        ("8/10", 8, 0, 10),
        ("0/10", 0, 0, 10),
        ("★★★★☆", 4, 1, 5),
        ("٤", 4, 1, 5),
        ("★★", 2, 1, 5),
        ("⭐️⭐️⭐️", 3, 1, 5),
        ("★☆☆", 1, 0, 3),
    ],
)
def test_stars(given: str | float, value: float, low: float, high: float) -> None:
    assert stars(given) == Rating(value=value, min=low, max=high)


@pytest.mark.parametrize(
    "given",
    [
        None, "", " ", "STAR_RATING_UNSPECIFIED", 0, 6, "0", "6/5", "1/0", -1, float("nan"), True,
        "five and a half", "1e3", "4 5", "9" * 400, "☆☆☆☆☆", "12 of the best years I had",
    ],
)  # fmt: skip
def test_no_stars(given: str | float | None) -> None:
    assert stars(given) is None


def test_stars_on_another_scale() -> None:
    assert stars("9", 0, 10) == Rating(value=9, min=0, max=10)
    assert stars("9", 10, 0) is None


def test_nobody_has_no_name() -> None:
    for nobody in (
        "A Google user",
        " Ein  Google-Nutzer ",
        "google ユーザー",
        "Anonymous",
        "",
        None,
    ):
        assert public_name(nobody) is None
    assert public_name(" Ada  L. ") == "Ada L."


@pytest.mark.parametrize(
    ("comment", "words", "cut"),
    [
        ("(Translated by Google) Bad.\n\n(Original)\nSchlecht.", "Schlecht.", True),
        ("(Translated by Google)\nBad.\n(Original) Schlecht.", "Schlecht.", True),
        ("Schlecht.\n\n(Translated by Google)\nBad.", "Schlecht.", True),
        ("(Translated by Google) Bad.", "Bad.", True),
        ("Bad.", "Bad.", False),
        ("Is (Translated by Google) art?", "Is (Translated by Google) art?", False),
        ("(Original) recipe, they say", "(Original) recipe, they say", False),
        ("", "", False),
    ],
)  # fmt: skip
def test_only_the_original_is_the_customers(comment: str, words: str, cut: bool) -> None:
    assert original(comment) == (words, cut)


def test_territories() -> None:
    assert [country(code) for code in ("USA", "DEU", "JPN", "che ", "XKS")] == [
        "US", "DE", "JP", "CH", "XK",
    ]  # fmt: skip
    assert country("ZZZ") is None
    assert country(None) is None


def test_counts_ids_and_revisions() -> None:
    assert [whole(value) for value in ("12", 3, 4.0, "x", None, -1, "9" * 30, float("inf"))] == [
        12, 3, 4, None, None, None, None, None,
    ]  # fmt: skip
    assert identified(7, "id") == "7"
    for nothing in (None, "", " "):
        with pytest.raises(Rejected):
            identified(nothing, "id")
    assert revision_of("a", "b") == revision_of("a", "b") != revision_of("ab", "")
