"""What the model sees of a text: words, neighbours, pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classifier.severity.normalise import fold
from services.classifier.severity.terms import pairs, pieces, read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The zip, the ZIP!", ["the", "zip", ",", "!"]),
        ("don't", ["don't"]),
        ("it cost 1,234.50 in 2019", ["it", "cost", "0", ",", "000", ".", "00", "in", "0000"]),
        ("", []),
        (" \n\t", []),
        ("Straße", ["strasse"]),
        ("煙が出た", [*"煙か出た", "煙か", "か出", "出た", "煙か出", "か出た", "煙か出た"]),
        ("iPhone煙", ["iphone", "煙"]),
        ("الكهرباء مقطوعة", ["الكهرباء", "مقطوعه"]),
        ("😀😀", ["😀"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert read(fold(text)).words == words


def test_a_long_number_says_how_long_it_is_at_most() -> None:
    assert set(read("4111111111111111").words) <= {"0" * length for length in range(1, 6)}


def test_neighbours_are_told_once_and_in_order() -> None:
    found = read("again and again and again")
    assert pairs(found) == [("again", "and"), ("and", "again")]


def test_unspaced_runs_have_no_neighbours() -> None:
    assert pairs(read("煙が出た")) == []


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("ok", [" ok", "ok ", " ok "]),
        ("a", [" a "]),
        ("000", []),
        ("!", []),
        ("煙が出た", []),
    ],
)
def test_pieces(word: str, expected: list[str]) -> None:
    assert pieces(word) == expected


def test_a_word_without_end_has_the_pieces_of_its_beginning() -> None:
    assert pieces("ab" * 20) == pieces("ab" * 5_000)


def test_inflected_and_misspelt_forms_share_most_pieces() -> None:
    right, wrong = set(pieces("refunded")), set(pieces("refundet"))
    assert len(right & wrong) > len(right) / 2


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_the_terms_of_any_text_are_distinct_and_bounded(text: str) -> None:
    folded = fold(text)
    found = read(folded)
    assert len(found.words) == len(set(found.words))
    assert all(found.words)
    assert len(found.tokens) <= len(folded)
    assert len(found.words) <= 4 * len(folded)
    assert all(len(pieces(word)) <= 3 * 42 for word in found.words)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_a_plain_text_reads_the_same_beside_a_foreign_word(text: str) -> None:
    """There is one pattern for ASCII and another for the rest; they must agree."""
    plain = read(fold(text))
    beside = read(fold(f"{text} \n ж"))
    assert beside.tokens == [*plain.tokens, "ж"]
