"""What a case is about, as a neutral word that the templates have a phrase for."""

from __future__ import annotations

from typing import Final

from shared.events import Case, Kind, Reason

GENERAL: Final = tuple(str(kind) for kind in Kind)
"""Every language has a phrase for these; for the others it may have one."""

PLAIN: Final = frozenset({Kind.SUGGESTION, Kind.PRAISE})
"""In these nothing went wrong."""

_GRAVE: Final = {
    Reason.SAFETY: "safety",
    Reason.FRAUD_SECURITY: "security",
    Reason.MISCONDUCT: "staff",
}
_UNSAID: Final = frozenset({Reason.VULNERABLE, Reason.VULNERABILITY, Reason.LEGAL})
"""What may be read over somebody's shoulder is not named: illness, abuse, debt, a lawsuit."""

THEMES: Final = {
    "billing": "billing",
    "refund": "refund",
    "delivery": "delivery",
    "returns": "returns",
    "product_quality": "product",
    "product_safety": "safety",
    "staff": "staff",
    "waiting_time": "waiting",
    "account_access": "account",
    "app": "app",
    "website": "website",
    "contract_cancellation": "contract",
    "price": "price",
    "availability": "availability",
    "privacy": "privacy",
    "accessibility": "accessibility",
    "appointment": "appointment",
    "documentation": "information",
    "connectivity": "connectivity",
    "energy_supply": "supply",
    "travel_disruption": "travel",
    "food": "food",
    "cleanliness": "cleanliness",
    "repair_warranty": "repair",
    "payment": "payment",
    "insurance_claim": "claim",
    "communication": "answer",
    "housing": "stay",
    "education": "course",
}
"""Themes of the packaged rules that have a phrase. Health has none: it is not named."""

_REASONS: Final = {
    Reason.FINANCIAL_LOSS: "payment",
    Reason.OUTAGE: "service",
    Reason.REPEAT_CONTACT: "answer",
    Reason.QUALITY: "product",
    Reason.DELAY: "waiting",
    Reason.SERVICE: "service",
    Reason.PRICE: "price",
    Reason.ACCESS: "account",
    Reason.USABILITY: "service",
}
KNOWN: Final = frozenset({*GENERAL, *_GRAVE.values(), *THEMES.values(), *_REASONS.values()})


def candidates(case: Case) -> tuple[str, ...]:
    """Return words for what the case is about, the most telling first; the last is a general one.

    A grave reason comes before a theme, which comes before the other reasons. Themes of an operator's
    own rules are their own words.
    """
    general = str(case.kind)
    if case.kind in PLAIN or _UNSAID.intersection(case.reasons):
        return (general,)
    grave = (_GRAVE[reason] for reason in case.reasons if reason in _GRAVE)
    themes = (THEMES.get(theme, theme) for theme in case.themes)
    others = (_REASONS[reason] for reason in case.reasons if reason in _REASONS)
    return tuple(dict.fromkeys((*grave, *themes, *others, general)))
