"""IBANs and the national identity numbers that have letters in them.

Each kind is known by a run of digits of a certain length with letters at certain places around it, so
one search for runs of digits finds the few places that are worth a look.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from stdnum import iban, numdb

from services.ingest.channels.normalise.national import is_valid
from services.ingest.channels.normalise.scan import Found, Kind, Scan

_RUN = re.compile(r"[0-9]+")
_END = r"(?![A-Za-z0-9])"


class _Form(NamedTuple):
    """``before``: what ends where the digits begin; ``number`` matches from there on."""

    module: str
    before: re.Pattern[str] | None
    number: re.Pattern[str]


def _form(module: str, before: str, number: str) -> _Form:
    return _Form(
        module,
        re.compile(rf"(?<![A-Za-z0-9_#]){before}\Z") if before else None,
        re.compile(number + _END),
    )


_FORMS: dict[int, tuple[_Form, ...]] = {
    1: (_form("cl.rut", "", r"\d\.\d{3}\.\d{3}-[kK]"),),
    2: (
        _form("cl.rut", "", r"\d\d\.\d{3}\.\d{3}-[kK]"),
        _form("it.codicefiscale", "[A-Za-z]{6}", r"\d\d[A-Za-z]\d\d[A-Za-z]\d{3}[A-Za-z]"),
        _form("it.codicefiscale", "[A-Z]{3} [A-Z]{3} ", r"\d\d[A-Z]\d\d [A-Z]\d{3} ?[A-Z]"),
        _form("nino", "[A-Z]{2} ?", r"\d\d ?\d\d ?\d\d ?[A-D]"),
    ),
    4: (_form("in_.pan", "[A-Z]{5}", r"\d{4}[A-Z]"),),
    6: (
        _form("mx.curp", "[A-Z]{4}", r"\d{6}[HMX][A-Z]{5}[A-Z0-9]\d"),
        _form("mx.rfc", "[A-ZÑ&]{4}", r"\d{6}[A-Z0-9]{2}[0-9A]"),
        _form("fi.hetu", "", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"),
        _form("nino", "[A-Z]{2} ?", r"\d{6} ?[A-D]"),
    ),
    7: (
        _form("ie.pps", "", r"\d{7}[A-W][A-IW]?"),
        _form("es.nie", "[XYZxyz][ -]?", r"\d{7}[ -]?[A-Za-z]"),
    ),
    8: (_form("es.dni", "", r"\d{8}[ -]?[A-Za-z]"),),
    17: (_form("cn.ric", "", r"\d{17}[xX]"),),
}
_FORMS[9] = (_FORMS[6][1],)  # an RFC may have digits behind the date as well
_FORMS[8] = (*_FORMS[8], _FORMS[6][1])
_FORMS[7] = (*_FORMS[7], _FORMS[6][1])
_BACK = 8  # characters before the digits that a form looks at

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ \u00a0.-]?[A-Za-z0-9]){11,30}")
_NINO = re.compile(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]")
_NOT_NINO = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})


def redact_lettered(text: str, scan: Scan) -> str:
    """Return ``text`` without IBANs and national numbers with letters."""
    return scan.replace(text, _found(text))


def _found(text: str) -> Iterator[Found]:
    done = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        if start < done:
            continue
        found = None
        if start > 1 and text[start - 2 : start].isalpha():
            found = _iban(text, start - 2)
        if found is None and (forms := _FORMS.get(end - start)):
            found = _national_id(text, start, done, forms)
        if found is not None:
            done = found.end
            yield found


def _national_id(text: str, start: int, since: int, forms: tuple[_Form, ...]) -> Found | None:
    for form in forms:
        number = form.number.match(text, start)
        if number is None:
            continue
        begin = start
        if form.before is not None:
            front = form.before.search(text, max(since, start - _BACK), start)
            if front is None:
                continue
            begin = front.start()
        elif text[start - 1 : start].isalnum() or text[start - 1 : start] in {"_", "#", "-", "."}:
            continue
        if _is_valid(form.module, text[begin : number.end()].upper()):
            return Found(begin, number.end(), Kind.NATIONAL_ID)
    return None


def _is_valid(module: str, number: str) -> bool:
    """British National Insurance numbers have no check digit but a shape of their own (NIM39110)."""
    if module == "nino":
        return _NINO.match(number) is not None and number[:2] not in _NOT_NINO
    return is_valid(module, number)


def _iban(text: str, start: int) -> Found | None:
    """Return the IBAN at ``start``; the text may go on behind it without a mark."""
    length = _iban_length(text[start : start + 2].upper())
    candidate = _IBAN.match(text, start) if length else None
    if candidate is None:
        return None
    number, end = "", start
    while len(number) < length:
        if end == candidate.end():
            return None
        if text[end].isalnum():
            number += text[end].upper()
        end += 1
    if text[end : end + 1].isalnum() or not _mod_97(number):
        return None
    return Found(start, end, Kind.IBAN) if iban.is_valid(number, check_country=False) else None


@cache
def _iban_length(country: str) -> int:
    """Return how long the IBANs of a country are, 0: none (SWIFT's registry in python-stdnum)."""
    facts = numdb.get("iban").info(country)[0][1]
    parts = re.findall(r"(\d+)!", facts.get("bban", ""))
    return 4 + sum(map(int, parts)) if parts else 0


def _mod_97(number: str) -> bool:
    """Check the two digits of an IBAN (ISO 13616, ISO 7064 mod 97-10)."""
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1
