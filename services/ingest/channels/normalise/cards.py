"""Payment card numbers: 13 to 19 digits of a known network with a right check digit.

They have a pass of their own, which is cheap enough to need no budget: a card is found whatever else
is in the text and whatever stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.ingest.channels.normalise.scan import DATE, Found, Kind, Scan

MIN_DIGITS, MAX_DIGITS = 13, 19

_RUN = re.compile(r"\d(?:[ \u00a0\u2000-\u200a\u202f.\-‐‑–－·]{0,3}\d){12,}")
_GROUP = re.compile(r"\d+")
_MAX_GROUPS = 10  # "40 00 00 12 …" in pairs
_FIRST = frozenset("234568")
_DOUBLED = str.maketrans("0123456789", "0246813579")  # the sum of the digits of the double


def redact_cards(text: str, scan: Scan) -> str:
    """Return ``text`` without the numbers of payment cards."""
    return scan.replace(text, _cards(text))


def is_card(digits: str) -> bool:
    """Return whether ASCII digits are a card: length and first digits of the networks, check digit."""
    count, four = len(digits), int(digits[:4])
    known = (
        (digits[0] == "4" and count in {13, 16, 19})
        or (count == 16 and (5100 <= four <= 5599 or 2200 <= four <= 2720))
        or (count == 15 and digits[:2] in {"34", "37"})
        or (count == 14 and (digits[:2] in {"36", "38"} or 3000 <= four <= 3059))
        or (count in {16, 17, 18, 19} and digits[:2] in {"62", "65", "81", "82"})
        or (count in {16, 17, 18, 19} and 3528 <= four <= 3589)
        or (count == 16 and (four == 6011 or 6440 <= four <= 6499 or digits[:2] in {"60", "50"}))
        or (count in {16, 18, 19} and digits[:2] in {"56", "57", "58", "63", "67"})
    )  # fmt: skip
    return known and _luhn(digits)


def _luhn(digits: str) -> bool:
    """Check the last digit (ISO/IEC 7812-1, annex B)."""
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, digits[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def _cards(text: str) -> Iterator[Found]:
    for run in _RUN.finditer(text):
        start, end = run.span()
        groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        if text[start - 1 : start] in {"+", "＋"}:  # the country code of a telephone number
            groups = groups[1:]
        yield from _in_groups(text, groups)


def _in_groups(text: str, groups: list[tuple[int, int]]) -> Iterator[Found]:
    at = 0
    while at < len(groups):
        start, end = groups[at]
        last = _spoken(groups, at) if end - start == 1 else at
        if last > at:  # "4 0 0 0 …": one number from its first digit to its last
            if _matches(text, start, groups[last][1], last + 1 - at):
                yield Found(start, groups[last][1], Kind.CARD)
        elif _digit(text[start]) in _FIRST and (found := _longest(text, groups, at)) is not None:
            yield Found(start, groups[found][1], Kind.CARD)
            last = found
        at = last + 1


def _spoken(groups: list[tuple[int, int]], at: int) -> int:
    """Return the last of the single digits from the group ``at`` on."""
    while at + 1 < len(groups) and groups[at + 1][1] - groups[at + 1][0] == 1:
        at += 1
    return at


def _longest(text: str, groups: list[tuple[int, int]], at: int) -> int | None:
    """Return the last group of the longest card that begins with the group ``at``."""
    total, found = 0, None
    for to in range(at, min(len(groups), at + _MAX_GROUPS)):
        size = groups[to][1] - groups[to][0]
        total += size
        if total > MAX_DIGITS or (to > at and groups[to - 1][1] - groups[to - 1][0] == 1):
            break
        if _matches(text, groups[at][0], groups[to][1], total):
            found = to
    return found


def _matches(text: str, start: int, end: int, count: int) -> bool:
    if not MIN_DIGITS <= count <= MAX_DIGITS:
        return False
    raw = text[start:end]
    return (
        is_card("".join([_digit(char) for char in raw if char.isdecimal()]))
        and DATE.search(raw) is None
    )


def _digit(char: str) -> str:
    """Return a decimal digit of any script as an ASCII one."""
    return char if char.isascii() else str(int(char))
