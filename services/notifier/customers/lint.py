"""Is a text to a customer neutral and complete? Pure; the patterns of each language are data.

Automatic messages are not sent with a finding that blocks; a person is told all of them and decides.
"""

from __future__ import annotations

import enum
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from services.notifier.customers import patterns
from services.notifier.customers.patterns import Folded, Span, Tone
from services.notifier.customers.texts import Texts, primary
from shared.events import MessageKind


class Rule(enum.StrEnum):
    """What can be wrong with a text."""

    BLAME = "blame"
    SARCASM = "sarcasm"
    CONDITIONAL_APOLOGY = "conditional_apology"
    NO_APOLOGY = "no_apology"
    NO_CONCERN = "no_concern"
    NO_NEXT_STEP = "no_next_step"
    PROMISE_WITHOUT_DATE = "promise_without_date"
    SHOUTING = "shouting"
    TEMPLATE_HOLE = "template_hole"
    TOO_LONG = "too_long"
    UNKNOWN_LANGUAGE = "unknown_language"


class Weight(enum.StrEnum):
    """Whether an automatic message may be sent all the same."""

    BLOCK = "block"
    WARN = "warn"


HINTS: Final[Mapping[Rule, str]] = {
    Rule.BLAME: "say what happened and what follows, not who is to blame",
    Rule.SARCASM: "say it plainly",
    Rule.CONDITIONAL_APOLOGY: "apologise for what happened, without if, but or may have",
    Rule.NO_APOLOGY: "apologise for what happened",
    Rule.NO_CONCERN: "name what the customer told us",
    Rule.NO_NEXT_STEP: "say what happens next",
    Rule.PROMISE_WITHOUT_DATE: "say by which date and time",
    Rule.SHOUTING: "write in small letters, with one mark at the end of a sentence",
    Rule.TEMPLATE_HOLE: "fill in what is missing, or take the line out",
    Rule.TOO_LONG: "shorten it to what the channel takes",
    Rule.UNKNOWN_LANGUAGE: "have somebody read it who knows the language",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, where (code points of the text in NFC; 0 to 0: as a whole) and how to mend it."""

    rule: Rule
    weight: Weight
    hint: str
    start: int = 0
    end: int = 0
    found: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message beside its text.

    ``concern`` and ``due`` are the words that it must have for them ("": any). ``names`` are those of
    the house, which may be written in capitals. ``limit`` counts UTF-16 units (0: none).
    """

    complaint: bool = True
    concern: str = ""
    due: str = ""
    names: tuple[str, ...] = ()
    limit: int = 0


ANY: Final = Facts()
"""Nothing is known of a text but that it answers a complaint."""


_HOLE: Final = re.compile(
    r"\{\{?[^{}\n]{0,40}\}?\}|\[(?:[A-Z][A-Z _]{2,}|(?i:name|date|datum|fecha|data|nom|insert[^\]]*))\]"
    r"|<(?:[A-Z_]{3,}|(?i:name|date|customer[ _]?name))>|%\w+%|\$\{\w+\}"
    r"|(?<!\w)(?:TODO|TBD|XXX+|(?i:lorem ipsum)|___+)(?!\w)"
)
_CAPITALS: Final = re.compile(r"(?<!\w)[^\W\d_]+(?:[ \t]+[^\W\d_]+)+(?!\w)")
_MARKS: Final = re.compile(r"[!！]{2,}|[!！][?？؟]+[!！]*|[?？؟]{2,}")
_TIME: Final = re.compile(
    r"(?<!\d)(?:\d{1,2}[:.h]\d{2}(?!\d)|\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./](?:\d{2,4})?"
    r"|\d{4}年|\d{1,2}月\d{1,2}日)"
)
_SPOKEN: Final = (
    (Rule.BLAME, "blame"),
    (Rule.SARCASM, "sarcasm"),
    (Rule.CONDITIONAL_APOLOGY, "conditional_apology"),
)
_DATED: Final = frozenset({MessageKind.RECEIPT, MessageKind.PROGRESS})
_ACRONYM: Final = 4


def units(text: str) -> int:
    """Return the length of a text in UTF-16 units, never less than a platform counts.

    Google Play refuses replies of "more than approximately 350 characters" (reference of
    ``reviews.reply``) and says no more.
    """
    return len(text.encode("utf-16-le")) // 2


class Lint:
    """The rules with the patterns of all packaged languages.

    Args:
        tones: patterns by language.
    """

    def __init__(self, tones: Mapping[str, Tone]) -> None:
        self._tones = tones
        self.languages = frozenset(tones)

    @classmethod
    def of(cls, texts: Texts) -> Lint:
        """Return the lint of the packaged patterns; months and days are those of the templates.

        Raises:
            Misconfigured: a file of patterns is wrong.
        """
        names = {
            tag: (*words.dates.months, *words.dates.weekdays)
            for tag, words in texts.languages.items()
        }
        return cls(patterns.load(names))

    def check(
        self, kind: MessageKind, language: str, text: str, facts: Facts = ANY
    ) -> tuple[Finding, ...]:
        """Return what is wrong with a text of a kind, in the order of the text.

        A language without patterns is read for the rest, and warned of.
        """
        whole = unicodedata.normalize("NFC", text)
        found = [*_written(whole, facts)]
        tone = self._tones.get(primary(language))
        folded = patterns.fold(whole)
        if tone is None:
            found.append(_of(Rule.UNKNOWN_LANGUAGE, weight=Weight.WARN))
            found.extend(_absent(kind, None, folded, facts))
        else:
            found.extend(_said(tone, folded, whole))
            found.extend(_absent(kind, tone, folded, facts))
        return tuple(sorted(found, key=lambda one: (one.start, one.end, one.rule)))


def blocked(findings: tuple[Finding, ...]) -> bool:
    """Tell whether an automatic message must not be sent."""
    return any(one.weight is Weight.BLOCK for one in findings)


def _written(text: str, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong in any language."""
    for hole in _HOLE.finditer(text):
        yield _at(Rule.TEMPLATE_HOLE, text, Span(*hole.span()))
    quiet = text
    for name in facts.names:
        quiet = quiet.replace(name, " " * len(name)) if name else quiet
    for run in _CAPITALS.finditer(quiet):
        yield from _capitals(text, run)
    for marks in _MARKS.finditer(text):
        yield _at(Rule.SHOUTING, text, Span(*marks.span()))
    if facts.limit and units(text) > facts.limit:
        yield _of(Rule.TOO_LONG)


def _capitals(text: str, run: re.Match[str]) -> Iterator[Finding]:
    """Yield the stretches of words in capitals, unless all are as short as an acronym."""
    words = [(one.start(), one.group()) for one in re.finditer(r"\S+", run.group())]
    for loud, group in itertools.groupby(words, key=lambda one: _is_loud(one[1])):
        stretch = list(group)
        if loud and len(stretch) > 1 and any(len(word) > _ACRONYM for _, word in stretch):
            last, word = stretch[-1]
            span = Span(run.start() + stretch[0][0], run.start() + last + len(word))
            yield _at(Rule.SHOUTING, text, span)


def _is_loud(word: str) -> bool:
    return word.isupper() and word.lower() != word


def _said(tone: Tone, folded: Folded, text: str) -> Iterator[Finding]:
    for rule, name in _SPOKEN:
        for found in tone.find(name, folded):
            yield _at(rule, text, folded.span(found))


def _absent(
    kind: MessageKind, tone: Tone | None, folded: Folded, facts: Facts
) -> Iterator[Finding]:
    """Yield what a text must have and has not, and promises without a date."""

    def has(name: str) -> bool:
        return tone is None or next(tone.find(name, folded), None) is not None

    def says(words: str) -> bool:
        return patterns.plain(words) in patterns.plain(folded.text)

    complaint = kind is MessageKind.RECEIPT and facts.complaint
    if complaint and not has("apology"):
        yield _of(Rule.NO_APOLOGY)
    if complaint and not (says(facts.concern) if facts.concern else has("concern")):
        yield _of(Rule.NO_CONCERN)
    if kind in _DATED and not has("next_step"):
        yield _of(Rule.NO_NEXT_STEP)
    dated = _TIME.search(folded.text) is not None or (tone is not None and has("concrete_time"))
    if kind in _DATED and not (says(facts.due) if facts.due else dated):
        yield _of(Rule.PROMISE_WITHOUT_DATE)
    elif tone is not None and not dated:
        for vague in tone.find("vague_time", folded):
            start, end = folded.span(vague)
            yield _of(Rule.PROMISE_WITHOUT_DATE, start=start, end=end, found=vague.group())


def _at(rule: Rule, text: str, span: Span) -> Finding:
    return _of(rule, start=span.start, end=span.end, found=text[span.start : span.end])


def _of(
    rule: Rule, weight: Weight = Weight.BLOCK, start: int = 0, end: int = 0, found: str = ""
) -> Finding:
    return Finding(rule=rule, weight=weight, hint=HINTS[rule], start=start, end=end, found=found)
