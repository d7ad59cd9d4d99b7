from __future__ import annotations

import time
import unicodedata

import pytest

from services.ingest.channels.text import MAX_TEXT, clean, clean_line


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("cafe\u0301", "caf\u00e9"),
        ("a\x00b\x07c\x7fd\x85e", "abcde"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\r\x00\nb", "a\nb"),
        ("  tab\tstays \n", "tab\tstays"),
        ("\ufffea\ufdd0b\U0010ffff", "ab"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
        ("e\x00\u0301", "\u00e9"),
    ],
)
def test_text_is_composed_and_without_control_characters(given: str, kept: str) -> None:
    assert clean(given) == (kept, False)


def test_long_text_is_cut_and_says_so() -> None:
    assert clean("x" * MAX_TEXT) == ("x" * MAX_TEXT, False)
    assert clean("x" * (MAX_TEXT + 1)) == ("x" * MAX_TEXT, True)
    assert clean("x" * (MAX_TEXT - 1) + " \n y") == ("x" * (MAX_TEXT - 1), True)


def test_floods_of_combining_marks_take_no_time_and_are_cut_to_thirty() -> None:
    started = time.perf_counter()
    text, _ = clean("a" + "\u0301\u0327" * 250_000 + "b")
    assert time.perf_counter() - started < 1.0  # 500,000 marks: minutes without the cut
    assert len(unicodedata.normalize("NFD", text)) == 32
    assert clean("\u0f73" * 5_000)[0]  # decomposes into marks although it is none


def test_a_line_has_single_spaces() -> None:
    assert clean_line(" a \n\t b  ") == "a b"
    assert clean_line("a\x00b") == "ab"
    assert clean_line("\u00a0é\u2028x") == "é x"
