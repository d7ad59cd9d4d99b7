"""Folding, and the way back to the original code points."""

from __future__ import annotations

import pytest

from services.classifier.severity.normalise import MAX_CHARS, Folded, fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Straße", "strasse"),
        ("RÉSUMÉ e\u0301", "resume e"),
        ("İstanbul ışık", "istanbul isik"),
        ("Łódź", "lodz"),
        ("don’t “stop”", 'don\'t "stop"'),
        ("ﬁre \u00a0 x", "fire   x"),
        ("𝗟𝗢𝗨𝗗", "loud"),
        ("٣ نجوم", "3 نجوم"),
        ("مُحَمَّد", "محمد"),
        ("a\u200db", "ab"),
        ("\ud800x", "\ufffdx"),
        ("é\u2028z", "e\nz"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "word", "original"),
    [
        ("Die Straße brennt", "strasse", "Straße"),
        ("ça e\u0301te\u0301 là", "ete", "e\u0301te\u0301"),
        ("x ﬁre x", "ire", "ﬁre"),
        ("plain fire", "fire", "fire"),
        ("煙が 出た", "出た", "出た"),
    ],
)
def test_span_points_into_the_original(text: str, word: str, original: str) -> None:
    folded = Folded(text)
    at = folded.raw.index(word.encode())
    start, end = folded.span(at, at + len(word.encode()))
    assert text[start:end] == original


def test_folding_is_bounded() -> None:
    assert len(Folded("é" * (MAX_CHARS + 9)).raw) == MAX_CHARS
