"""Messages to customers, rendered from templates. Pure: the time is an argument.

Nothing of what the customer wrote is quoted. What staff wrote (outcome, question) is told to the
customer alone, never where everybody can read it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import tzinfo
from typing import Final

import msgspec

from services.notifier.customers import concerns, dates
from services.notifier.customers.texts import HOLE, Language, Texts
from shared.events import (
    Case,
    CaseState,
    ClockKind,
    ClockState,
    Kind,
    MessageKind,
    Offer,
    Severity,
    TimerKind,
)

_PROMISES: Final[Mapping[MessageKind, tuple[ClockKind, ...]]] = {
    MessageKind.RECEIPT: (
        ClockKind.FIRST_RESPONSE,
        ClockKind.NEXT_RESPONSE,
        ClockKind.THANK_YOU,
        ClockKind.UPDATE,
    ),
    MessageKind.PROGRESS: (ClockKind.UPDATE, ClockKind.NEXT_RESPONSE),
}
"""The clocks that say by when we answer, the first that runs."""

MARGIN_MS: Final = 120_000
"""Times are told to the minute, and messages take theirs: what is due sooner is past when read."""

_APOLOGISES: Final = frozenset({MessageKind.RECEIPT, MessageKind.PROGRESS, MessageKind.RESOLUTION})
_ISOLATE: Final = ("\u2068", "\u2069")  # FSI, PDI (UAX #9): a name keeps the order of the text


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes: name, time zone (IANA), language for customers without one, and how mail is signed."""

    name: str = ""
    zone: str = "UTC"
    language: str = "en"
    signature: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message in all its forms; what could not be filled still stands in braces.

    ``public`` is for where everybody reads along. ``concern`` and ``due`` are the words that the text
    has for them, "" without one.
    """

    kind: MessageKind
    language: str
    subject: str
    body: str
    short: str
    public: str
    complaint: bool
    concern: str = ""
    due: str = ""


def promised(kind: MessageKind, case: Case, now_ms: int) -> int | None:
    """Return by when the customer hears from us (ms): when a running clock is due, not just now."""
    for wanted in _PROMISES.get(kind, ()):
        for clock in case.clocks:
            running = clock.kind is wanted and clock.state is ClockState.RUNNING
            if running and clock.due_at is not None and clock.due_at >= now_ms + MARGIN_MS:
                return clock.due_at
    return None


def render(
    kind: MessageKind, case: Case, house: House, texts: Texts, due_at: int | None = None
) -> Message:
    """Return the message of a kind about a case; ``due_at`` is what it promises (ms).

    A language without templates is told in the house's, else in English.

    Raises:
        Misconfigured: the house's time zone is unknown.
    """
    words = texts.find(case.language, house.language)
    forms = words.messages[kind]
    where = dates.zone(house.zone)
    complaint = is_complaint(case)
    concern = next(
        words.concerns[word] for word in concerns.candidates(case) if words.concerns.get(word)
    )
    due = dates.moment(due_at, where, words.dates) if due_at is not None else ""
    own = {
        "concern": concern,
        "apology": words.phrases.apology if complaint and kind in _APOLOGISES else "",
        "due": due,
        "offer": _offer(case.offer, words),
        "unanswered": _unanswered(case, words, where),
    }
    staff = {name: _isolated(value, words) for name, value in _of_staff(case).items()}
    mail = {**own, **staff, "signature": _isolated(house.signature or house.name, words)}
    brief = {name: _ended(_flat(value), words) for name, value in staff.items()}
    brief = {**own, **brief, "signature": _isolated(_flat(house.name), words)}
    short = _joined(_filled(forms.short, brief), words.joiner)
    return Message(
        kind=kind,
        language=words.language,
        subject=_flat(_filled(forms.subject, brief)),
        body=re.sub(r"\n{3,}", "\n\n", _filled(forms.body, mail)).strip(),
        short=short,
        public=_joined(_filled(forms.public, brief), words.joiner) if forms.public else short,
        complaint=complaint,
        concern=concern,
        due=due,
    )


def is_complaint(case: Case) -> bool:
    """Tell whether something went wrong for the customer, so that an apology is due.

    A grave question tells of a problem as well ("why was I charged twice?").
    """
    grave = case.severity in {Severity.CRITICAL, Severity.HIGH}
    return case.kind is Kind.COMPLAINT or (grave and case.kind not in concerns.PLAIN)


def _of_staff(case: Case) -> dict[str, str]:
    """Return what staff wrote about the case, "" where they wrote nothing."""
    outcome, asked = case.outcome, case.clarification
    told = {
        "outcome": outcome and outcome.outcome,
        "reason": outcome and outcome.reason,
        "root_cause": outcome and outcome.root_cause,
        "prevention": outcome and outcome.prevention,
        "next_step": outcome and outcome.next_step,
        "question": asked.asked if asked and asked.answered is None else None,
    }
    return {name: (value or "").strip() for name, value in told.items()}


def _offer(offer: Offer | None, words: Language) -> str:
    if offer is None or not (offer.chosen or offer.options):
        return ""
    chosen = (offer.chosen,) if offer.chosen else offer.options
    template = words.phrases.agreed if offer.chosen else words.phrases.offered
    return _filled(
        template, {"solutions": words.separator.join(words.solutions[one] for one in chosen)}
    )


def _unanswered(case: Case, words: Language, where: tzinfo) -> str:
    """Return what happens without an answer: the wait closes the case, or a person decides."""
    ends = next((timer for timer in case.timers if timer.kind is TimerKind.WAIT_END), None)
    closes = ends is not None and ends.ref != 0 and case.state is CaseState.WAITING_CUSTOMER
    if ends is None or not closes:
        return words.phrases.stays_open
    return _filled(words.phrases.closes, {"closes_on": dates.date(ends.due_at, where, words.dates)})


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill a template once: what a value looks like is never read as a template.

    A line with an optional field that is empty is left out; another that is empty keeps its braces.
    """

    def value(hole: re.Match[str]) -> str:
        return values.get(hole["name"]) or f"{{{hole['name']}}}"

    lines = (
        HOLE.sub(value, line)
        for line in template.splitlines()
        if all(values.get(hole["name"]) for hole in HOLE.finditer(line) if hole["optional"])
    )
    return "\n".join(line.rstrip(" ") for line in lines)


def _joined(text: str, joiner: str) -> str:
    return joiner.join(line.strip(" ") for line in text.splitlines() if line.strip())


def _flat(value: str) -> str:
    return " ".join(value.split())


def _isolated(value: str, words: Language) -> str:
    """Return ``value`` so that letters of the other direction do not turn the text around them."""
    foreign = {"L"} if words.direction == "rtl" else {"R", "AL"}
    return "\n".join(
        line.join(_ISOLATE)
        if any(unicodedata.bidirectional(letter) in foreign for letter in line)
        else line
        for line in value.splitlines()
    )


def _ended(value: str, words: Language) -> str:
    """Return what staff wrote as a sentence, for forms in which another follows on the same line."""
    bare = value.rstrip("\u2068\u2069")
    return value + words.stop if bare and bare[-1].isalnum() else value
