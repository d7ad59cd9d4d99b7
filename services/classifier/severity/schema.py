"""Shape of the rule files (YAML), as typed structs; see ``rules/`` for the packaged ones."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from shared.events import Channel, Kind, Reason, Severity

LANGUAGES: Final = ("en", "es", "fr", "de", "pt", "it", "nl", "pl", "tr", "ja", "ar")
ANY: Final = "any"
"""Key of patterns that are read whatever the language is."""

RANK: Final = {
    Severity.UNDETERMINED: 0,
    Severity.LOW: 0,
    Severity.MEDIUM: 1,
    Severity.HIGH: 2,
    Severity.CRITICAL: 3,
}

Patterns = dict[str, list[str]]
"""Language code (or ``any``) → RE2 patterns in lower case; a space stands for any white space."""

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
RuleId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+){1,2}$")]
ThemeId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]+$")]


class _Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base: unknown keys are errors, so a misspelt key never goes unnoticed."""


class Examples(_Strict, frozen=True):
    """Texts that the rule must hit, and texts that it must not; run as tests."""

    must: list[str] = []
    must_not: list[str] = []


class RuleSpec(_Strict, frozen=True):
    """One rule: what it means, where it is found, and what cancels it.

    ``near`` (one must stand in the same sentence) and ``unless`` (none may) are evaluated only when
    a pattern hit; ``unless_text`` and ``near_text`` look at the whole text. ``mutes`` makes every
    other hit of the text void (automatic replies, newsletters, spam). ``floor``: where it hits, the
    severity is never below its own, whatever the model says; without it the rule is one voice among
    others, which the model weighs.
    """

    id: RuleId
    reasons: Annotated[list[Reason], msgspec.Meta(min_length=1, max_length=3)]
    severity: Severity
    confidence: Share
    patterns: Patterns
    kind: Kind = Kind.COMPLAINT
    near: Patterns = {}
    near_text: Patterns = {}
    unless: Patterns = {}
    unless_text: Patterns = {}
    contexts: list[str] | None = None
    channels: list[Channel] = []
    mutes: bool = False
    floor: bool = False
    examples: Examples = Examples()

    @property
    def rank(self) -> int:
        """Return the severity as a number, 0 (low) to 3 (critical)."""
        return RANK[self.severity]


class ContextSpec(_Strict, frozen=True):
    """A reading that cancels hits: negation, hypothesis, matters long resolved.

    ``before`` and ``after`` must stand within three words of the hit in its sentence, ``sentence``
    anywhere in it, ``text`` anywhere in the text; ``unless`` in the sentence (for ``text``: in the
    text) voids the cue. ``channels`` limits it to some. ``default_for`` names the severities whose
    rules are read with it unless they say else.
    """

    id: str
    default_for: list[Severity] = []
    channels: list[Channel] = []
    before: Patterns = {}
    after: Patterns = {}
    sentence: Patterns = {}
    text: Patterns = {}
    unless: Patterns = {}


class ThemeSpec(_Strict, frozen=True):
    """What a text is about, beside how grave it is: a subject of the taxonomy."""

    id: ThemeId
    name: str
    patterns: Patterns
    examples: Examples = Examples()


class RuleFile(_Strict, frozen=True):
    """One YAML file: ``define`` names fragments that patterns use as ``%name%``."""

    define: dict[str, str] = {}
    contexts: list[ContextSpec] = []
    rules: list[RuleSpec] = []
    themes: list[ThemeSpec] = []
