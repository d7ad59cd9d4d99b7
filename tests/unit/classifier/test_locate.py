"""From a term of the model back to the words in the original text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.classifier.severity.normalise import Folded, fold
from services.classifier.severity.terms import pairs, read


@pytest.mark.parametrize(
    ("text", "term", "original"),
    [
        ("The fire was big", "fire", "fire"),
        ("A fireman saw the FIRE", "fire", "FIRE"),
        ("Die Straße brennt", "strasse", "Straße"),
        ("ça e\u0301te\u0301 là", "ete", "e\u0301te\u0301"),
        ("caught,  FIRE again", "caught fire", "caught,  FIRE"),
        ("🔥🔥 it burns", "it burns", "it burns"),
        ("煙が出た", fold("煙が"), "煙が"),
        ("سرقت بطاقتي", fold("بطاقتي"), "بطاقتي"),
        ("costs (a lot)", "costs a", "costs (a"),
        ("only firewood", "fire", "fire"),
        ("my refund?", "refund ?", "refund?"),
        ("since 2019 or so", "since 0000", "since 2019"),
    ],
)
def test_locate(text: str, term: str, original: str) -> None:
    found = Folded(text).locate(term)
    assert found is not None
    assert text[slice(*found)] == original


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("", "fire"),
        ("water", "fire"),
        ("fire. Caught", "caught fire"),
        ("caught a fire", "caught fire"),
    ],
)
def test_what_is_not_there_is_not_found(text: str, term: str) -> None:
    assert Folded(text).locate(term) is None


@pytest.mark.parametrize("term", ["a.b", "(", "[x", "a*b", "\\"])
def test_a_term_is_no_pattern(term: str) -> None:
    assert Folded("aXb aab").locate(term) is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_every_word_of_a_text_is_found_in_it(text: str) -> None:
    folded = Folded(text)
    found = read(folded.folded)
    for term in (word for word in found.words if word[0].isalpha()):
        span = folded.locate(term)
        assert span is not None
        start, end = span
        assert 0 <= start < end <= len(text)
        assert term in fold(text[start:end])
    for first, second in pairs(found):
        span = folded.locate(f"{first} {second}")
        if span is not None:  # a run of an unspaced script may stand between
            original = fold(text[slice(*span)])
            assert not first[0].isalpha() or first in original
