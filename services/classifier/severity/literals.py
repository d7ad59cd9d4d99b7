"""What a text must hold for a pattern to match: its required literals, found without running it.

``required(pattern)`` returns sets of strings; every match of the pattern holds at least one string of
each set. The idea is that of the prefilter of RE2 and of Google Code Search (Cox, Regular Expression
Matching with a Trigram Index, 2012): one look for the literals of all patterns names the few that are
worth running.

White space of any length counts as one space here, so the text that is looked at must be ``squeezed``.
Only the syntax that rules use is understood; whatever is not is taken to require nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

MOST: Final = 48
"""Alternatives beyond which a set is no longer multiplied out."""
SETS: Final = 6
"""Sets of literals that are kept, a pattern; whoever looks for them chooses among them."""
_TOKEN: Final = re.compile(
    r"\(\?[a-zA-Z:<]|\(|\)|\||\[\^?\]?(?:\\.|[^\]\\])*\]|\\.|\{\d*,?\d*\}|[?*+]|.", re.DOTALL
)
_CLASS: Final = re.compile(r"\\.|.", re.DOTALL)


_WORD: Final = re.compile(r"\w+")
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        "a about after again all am an and any are as at back be been but by can could did do for from "
        "get had has have he her here him his how i if in is it its just me more my never no not now of "
        "off on one or our out over she so some still than that the their them then there they this to "
        "up us was we were what when which while who will with would you your",
    )
)
"""English words that are in most texts; those of other languages are seldom all that a pattern has."""


class _Part(NamedTuple):
    """``exact``: all that a part can match, when that is little; ``needs``: it holds one of each."""

    exact: frozenset[str] | None
    needs: tuple[frozenset[str], ...]


_ANYTHING: Final = _Part(None, ())
_EMPTY: Final = _Part(frozenset({""}), ())
_SPACE: Final = _Part(frozenset({" "}), ())


def squeezed(raw: bytes) -> bytes:
    """Return ``raw`` with every white space as one space, and one at either end."""
    return b" " + b" ".join(raw.split()) + b" "


def required(pattern: str) -> tuple[frozenset[str], ...]:
    """Return sets of literals; every match of ``pattern`` holds at least one of each. None: ()."""
    part, _ = _alternatives(_TOKEN.findall(pattern), 0)
    return _strongest(_needs(part), SETS)


def _alternatives(tokens: list[str], at: int) -> tuple[_Part, int]:
    """Read up to the closing bracket or the end; return what was read, and where it ended."""
    branches: list[_Part] = []
    parts: list[_Part] = []
    while at < len(tokens) and tokens[at] != ")":
        token = tokens[at]
        if token == "|":  # noqa: S105  a token of a pattern
            branches.append(_sequence(parts))
            parts = []
            at += 1
            continue
        part, at = _atom(tokens, at)
        if at < len(tokens) and (tokens[at] in "?*+" or tokens[at].startswith("{")):
            part = _repeated(part, tokens[at])
            at += 1
            if at < len(tokens) and tokens[at] == "?":  # lazy: the same strings
                at += 1
        parts.append(part)
    branches.append(_sequence(parts))
    return _union(branches), at


def _atom(tokens: list[str], at: int) -> tuple[_Part, int]:  # noqa: PLR0911  one kind of token a line
    token = tokens[at]
    if token in {"(", "(?:"}:
        part, end = _alternatives(tokens, at + 1)
        return part, end + 1
    if token.startswith("(?"):
        _, end = _alternatives(tokens, at + 1)
        return _ANYTHING, end + 1
    if token.startswith("[") and len(token) > 1:
        return _class(token), at + 1
    if token == r"\s" and tokens[at + 1 : at + 2] == ["+"]:  # noqa: S105
        return _SPACE, at + 2
    if token.startswith("\\"):
        return _escape(token), at + 1
    if token in {"^", "$"}:
        return _EMPTY, at + 1
    return (_ANYTHING if token == "." else _Part(frozenset({token}), ())), at + 1  # noqa: S105


def _escape(token: str) -> _Part:
    if token in {r"\b", r"\B", r"\A", r"\z"}:
        return _EMPTY
    return _ANYTHING if token[1].isalnum() else _Part(frozenset({token[1]}), ())


def _class(token: str) -> _Part:
    """Return the characters of a class; a range, a negation or a kind of characters is anything."""
    inner = token[1:-1]
    if inner.startswith("^") or "-" in inner[1:-1]:
        return _ANYTHING
    found = set()
    for one in _CLASS.findall(inner):
        if (len(one) == 2 and one[1].isalnum()) or one.isspace():
            return _ANYTHING
        found.add(one[-1])
    return _Part(frozenset(found), ()) if len(found) <= 8 else _ANYTHING


def _repeated(part: _Part, quantifier: str) -> _Part:
    if quantifier == "?" and part.exact is not None:
        return _Part(part.exact | {""}, ())
    optional = quantifier in "?*" or quantifier.startswith(("{0", "{,"))
    return _ANYTHING if optional else _Part(None, _needs(part))


def _sequence(parts: Iterable[_Part]) -> _Part:
    """Return what parts in a row match: exact pieces are joined as long as they stay few."""
    joined: frozenset[str] = frozenset({""})
    needs: list[frozenset[str]] = []
    whole = True
    for part in parts:
        if part.exact is not None and len(joined) * len(part.exact) <= MOST:
            joined = frozenset(
                f"{left}{right}".replace("  ", " ") for left in joined for right in part.exact
            )
            continue
        whole = False
        needs += [joined, *part.needs]
        joined = frozenset({""}) if part.exact is None else part.exact
    if whole:
        return _Part(joined, ())
    return _Part(None, _strongest([*needs, joined], SETS))


def _union(branches: list[_Part]) -> _Part:
    if len(branches) == 1:
        return branches[0]
    exact = [one.exact for one in branches if one.exact is not None]
    if len(exact) == len(branches) and sum(map(len, exact)) <= MOST:
        return _Part(frozenset().union(*exact), ())
    needs = [_strongest(_needs(one), 1) for one in branches]
    if not all(needs):
        return _ANYTHING
    return _Part(None, (frozenset().union(*(one for (one,) in needs)),))


def _needs(part: _Part) -> tuple[frozenset[str], ...]:
    return part.needs if part.exact is None else (part.exact,)


def _strongest(sets: Iterable[frozenset[str]], most: int) -> tuple[frozenset[str], ...]:
    """Return the sets whose weakest literal is the strongest; those with an empty one say nothing."""
    found = [one for one in dict.fromkeys(sets) if one and not one & {"", " "}]
    found.sort(key=lambda one: (-min(map(_strength, one)), len(one), sorted(one)))
    return tuple(found[:most])


def _strength(literal: str) -> int:
    """Return the length of the longest word that is not a common one."""
    words = _WORD.findall(literal)
    return max((len(word) for word in words if word not in _COMMON), default=0)
