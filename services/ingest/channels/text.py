"""Text as the product keeps it: NFC, no control characters, bounded. All functions are idempotent.

CPython's NFC takes time quadratic in the length of a run of combining marks (64,000 marks: 12 s), so
in longer texts runs are cut to the 30 marks that Unicode's Stream-Safe Text Format allows (UAX #15,
section 13).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

MAX_TEXT = 32_768
"""Longest text of an event, in code points."""

_MAX_MARKS = 30
_HARMLESS = 512  # code points that can be normalised in any case: 0.8 ms at worst
_LAST_MARK = 0x1E94A
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_KEPT_OUT = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff{_NONCHARACTERS}]")
_LINE_BREAKS = re.compile(r"\r\n?")
_SPACES = re.compile(r"\s+")


@cache
def _marks() -> frozenset[str]:
    """All combining marks."""
    return frozenset(
        char
        for char in map(chr, range(0x300, _LAST_MARK + 1))
        if unicodedata.combining(unicodedata.normalize("NFD", char)[0])
    )


@cache
def _long_runs() -> re.Pattern[str]:
    """Match what follows the 30th combining mark of a run."""
    ranges: list[list[int]] = []
    for code in sorted(map(ord, _marks())):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    group = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"([{group}]{{{_MAX_MARKS}}})[{group}]+")


def _nfc(text: str) -> str:
    if not all(map(str.isprintable, text.split("\n"))):  # far cheaper than the search
        text = _KEPT_OUT.sub("", text)
    if text.isascii():
        return text
    if len(text) > _HARMLESS and not _marks().isdisjoint(text[::_MAX_MARKS]):  # else no run is long
        text = _long_runs().sub(r"\1", text)
    return unicodedata.normalize("NFC", text)


def clean(text: str, limit: int = MAX_TEXT) -> tuple[str, bool]:
    """Return ``text`` normalised and at most ``limit`` code points long, and whether it was cut."""
    text = _nfc(text)
    if "\r" in text:
        text = _LINE_BREAKS.sub("\n", text)
    text = text.strip()
    if len(text) <= limit:
        return text, False
    return text[:limit].rstrip(), True


def clean_line(text: str) -> str:
    """Return a short field (id, thread, author) normalised, on one line, spaces collapsed."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    return _SPACES.sub(" ", _nfc(text)).strip()
