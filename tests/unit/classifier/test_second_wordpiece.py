"""The tokens are those that the encoder was trained on; expected numbers come from its own tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.second.wordpiece import WordPiece, words

KNOWN = [
    ("Hello, world!", [101, 7592, 1010, 2088, 999, 102]),
    ("Ünïted cafés", [101, 2142, 23812, 102]),
    (
        "The brake-pads overheated @ 120 km/h 😡",
        [101, 1996, 13428, 1011, 19586, 2058, 20192, 3064, 1030, 6036, 2463, 1013, 1044, 100, 102],
    ),
    ("返金 NOW", [101, 100, 1964, 2085, 102]),
]
TOKENS = WordPiece()


@pytest.mark.parametrize(("text", "numbers"), KNOWN)
def test_known_texts(text: str, numbers: list[int]) -> None:
    assert TOKENS.numbers(text, 128) == numbers


def test_words_are_lower_case_without_accents_and_apart_from_marks() -> None:
    assert list(words("Don't\tGO—Zoë\u200b \u0000x")) == ["don", "'", "t", "go", "—", "zoe", "x"]
    assert list(words("火事です")) == ["火", "事", "てす"]  # voicing marks are accents to it


def test_the_rest_of_a_long_text_is_left_out() -> None:
    numbers = TOKENS.numbers("word " * 1_000, 16)
    assert len(numbers) == 16
    assert (numbers[0], numbers[-1]) == (101, 102)


def test_a_word_beyond_measure_is_unknown() -> None:
    assert TOKENS.numbers("x" * 101, 16) == [101, 100, 102]
    assert TOKENS.numbers("", 16) == [101, 102]


@given(st.text(max_size=300))
def test_any_text_has_tokens(text: str) -> None:
    numbers = TOKENS.numbers(text, 64)
    assert 2 <= len(numbers) <= 64
    assert all(0 <= one < 30_522 for one in numbers)
