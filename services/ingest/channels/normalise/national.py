"""National identity numbers of digits only, told by check digits (python-stdnum) and shape.

A number with one check digit is right by chance in one of ten order numbers, so it counts only in a
form that nothing else has (``shape``; ``local``: nothing else in its country), beside its name
(``words``), or, where its check is ``strong`` (two digits, or a date as well), in a source of its own
country.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import NamedTuple, Protocol, cast

import re2


class _Module(Protocol):
    def is_valid(self, number: str) -> bool: ...  # pragma: no cover


class Rule(NamedTuple):
    """How one kind of number is recognised; ``module`` is the one of python-stdnum."""

    region: str
    module: str
    shape: re.Pattern[str] | None = None
    words: re.Pattern[str] | None = None
    strong: bool = False
    local: bool = False


def _rule(
    region: str,
    module: str,
    shape: str = "",
    words: str = "",
    *,
    strong: bool = False,
    local: bool = False,
) -> Rule:
    return Rule(
        region,
        module,
        re.compile(shape) if shape else None,
        re.compile(words) if words else None,
        strong,
        local,
    )


_NUMERIC: dict[int, tuple[Rule, ...]] = {
    8: (_rule("CL", "cl.rut", r"\d\.\d{3}\.\d{3}-\d", r"\brut\b|run\b"),),
    9: (
        _rule("US", "us.ssn", r"\d{3}-\d\d-\d{4}", r"\bssn\b|social security"),
        _rule("US", "us.itin", r"9\d\d-\d\d-\d{4}", r"\bitin\b|\btax"),
        _rule("NL", "nl.bsn", "", r"\bbsn\b|burgerservice|sofi"),
        _rule("CA", "ca.sin", "", r"\bsin\b|\bnas\b|social insurance|assurance sociale"),
        _rule("AU", "au.tfn", "", r"\btfn\b|tax file"),
        _rule("PT", "pt.nif", "", r"\bnif\b|contribuinte"),
        _rule("CL", "cl.rut", r"\d\d\.\d{3}\.\d{3}-\d", r"\brut\b|run\b"),
        _rule("IL", "il.idnr", "", r"תעודת זהות|ת\.?[\"״]?ז\b|teudat"),
        _rule("CZ", "cz.rc", r"\d{6}/\d{3}", r"rodné|\brč\b"),
        _rule("GR", "gr.vat", "", r"αφμ|\bafm\b"),
    ),
    10: (
        _rule("SE", "se.personnummer", r"\d{6}[-+]\d{4}", r"person(?:nummer|nr)", strong=True),
        _rule("DK", "dk.cpr", "", r"\bcpr\b|personnummer", strong=True),
        _rule("IS", "is_.kennitala", "", r"kennitala|\bkt\b", strong=True),
        _rule("CZ", "cz.rc", r"\d{6}/\d{4}", r"rodné|\brč\b", strong=True),
        _rule("BG", "bg.egn", "", r"егн|\begn\b", strong=True),
        _rule("GB", "gb.nhs", "", r"\bnhs\b"),
        _rule("GB", "gb.utr", "", r"\butr\b"),
        _rule("AT", "at.vnr", "", r"sv-?n(?:r|ummer)|versicherungsnummer", strong=True),
        _rule("RU", "ru.inn", "", r"\bинн\b"),
        _rule("UA", "ua.rntrc", "", r"рнокпп|\bінн\b|податков"),
    ),
    11: (
        _rule("BR", "br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d\d", r"\bcpf\b", strong=True),
        _rule("PL", "pl.pesel", "", r"\bpesel", strong=True),
        _rule(
            "DE",
            "de.idnr",
            r"\d\d \d{3} \d{3} \d{3}",
            r"steuer|\bid-?nr|identifikationsn|\bidnr|\btin\b",
            local=True,
        ),
        _rule("NO", "no.fodselsnummer", r"\d{6} ?\d{5}", r"fødselsn|personn", strong=True),
        _rule("BE", "be.nn", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", r"rijksreg|nationa", strong=True),
        _rule("TR", "tr.tckimlik", "", r"t\.?c\.?\b|kimlik", strong=True),
        _rule("RU", "ru.snils", r"\d{3}-\d{3}-\d{3}[ -]\d\d", r"снилс"),
        _rule("GR", "gr.amka", "", r"αμκα|\bamka\b", strong=True),
        _rule("HR", "hr.oib", "", r"\boib\b"),
        _rule("EE", "ee.ik", "", r"isikukood", strong=True),
        _rule("LT", "lt.asmens", "", r"asmens", strong=True),
        _rule("LV", "lv.pvn", r"\d{6}-\d{5}", r"personas"),
    ),
    12: (
        _rule("IN", "in_.aadhaar", r"\d{4} \d{4} \d{4}", r"aadh?aa?r|आधार", local=True),
        _rule("MY", "my.nric", r"\d{6}-\d\d-\d{4}", r"mykad|\bnric\b|kad pengenalan"),
        _rule("JP", "jp.in_", "", r"マイナンバー|個人番号|my ?number"),
        _rule("SE", "se.personnummer", r"\d{8}[-+]\d{4}", r"person(?:nummer|nr)", strong=True),
        _rule("RU", "ru.inn", "", r"\bинн\b", strong=True),
    ),
    13: (
        _rule("KR", "kr.rrn", r"\d{6}-\d{7}", r"주민", strong=True),
        _rule("CH", "ch.ssn", r"756[. ]?\d{4}[. ]?\d{4}[. ]?\d\d", r"ahv|avs"),
        _rule("RO", "ro.cnp", "", r"\bcnp\b|cod numeric", strong=True),
        _rule("ZA", "za.idnr", "", r"\bid\b|identity", strong=True),
        _rule("TH", "th.pin", r"\d-\d{4}-\d{5}-\d\d-\d", r"บัตรประชาชน"),
        _rule("RS", "si.emso", "", r"emšo|jmbg|јмбг|emso", strong=True),
    ),
    15: (
        _rule(
            "FR",
            "fr.nir",
            r"[12] ?\d\d ?\d\d ?\d\d ?\d{3} ?\d{3} ?\d\d",
            r"s(?:é|e)cu",
            strong=True,
        ),
    ),
    18: (_rule("CN", "cn.ric", r"\d{18}", r"身份证", strong=True),),
}
MAX_DIGITS = max(_NUMERIC)

_ANY_WORD = re2.compile(
    "|".join(
        {rule.words.pattern for rules in _NUMERIC.values() for rule in rules if rule.words}
    ).replace(r"\b", "")
)
"""Cheap: whether any name of a number may stand in the context at all."""


def is_national_id(raw: str, digits: str, region: str | None, context: str) -> bool:
    """Return whether a number is somebody's; ``raw`` as written, ``context`` what stands before."""
    rules = _NUMERIC.get(len(digits))
    if rules is None:
        return False
    named = _ANY_WORD.search(context) is not None
    for rule in rules:
        allowed = (
            (rule.strong and rule.region == region)
            or (
                rule.shape is not None
                and rule.shape.fullmatch(raw)
                and (rule.region == region or not rule.local)
            )
            or (named and rule.words is not None and rule.words.search(context))
        )
        if allowed and is_valid(rule.module, digits if rule.module != "se.personnummer" else raw):
            return True
    return False


@cache
def _module(name: str) -> _Module:
    return cast("_Module", import_module(f"stdnum.{name}"))


def is_valid(module: str, number: str) -> bool:
    """Return whether a module of python-stdnum finds ``number`` valid."""
    if module == "ru.snils":
        return _snils(number)
    return _module(module).is_valid(number)


def _snils(digits: str) -> bool:
    """Check a Russian insurance number, which python-stdnum does not know (weights 9 to 1)."""
    total = sum(int(digit) * (9 - at) for at, digit in enumerate(digits[:9]))
    return total % 101 % 100 == int(digits[9:])
